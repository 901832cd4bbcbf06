#include <boost/json/serialize.hpp>

#include "json/convert.h"
#include "json/json.h"
#include "json/reader.h"

namespace slipway {

json::object to_json(const Error& error) {
  json::object out{{"code", info(error.code).name},
                   {"message", error.message},
                   {"hint", or_null(error.hint)},
                   {"phase", or_null(error.phase)},
                   {"command", or_null(error.command)},
                   {"exit_code", or_null(error.exit_code)},
                   {"cause", or_null(error.cause)},
                   {"file", or_null(error.file)},
                   {"line", or_null(error.line)},
                   {"excerpt", to_array(error.excerpt)},
                   {"next", to_array(error.next, [](const NextStep& step) {
                      return json::object{{"command", step.command}, {"when", step.when}};
                    })}};
  if (!error.decision.empty())
    if (auto decision = parse_json(error.decision)) out["decision"] = *std::move(decision);
  return out;
}

void add_what_it_waits_for(const Error& error, json::object& out) {
  if (error.decision.empty()) return;
  const auto decision = parse_json(error.decision);
  if (!decision || !decision->is_object()) return;
  for (const std::string_view name : {"waits_for", "approval"})
    if (const json::value* value = decision->get_object().if_contains(name);
        value != nullptr && value->is_string())
      out[name] = *value;
}

Result<Error> error_from_json(const json::value& value) {
  Error out;
  std::string code;
  JsonReader reader(value, "error");
  reader.require("code").read("code", code).read("message", out.message).read("hint", out.hint);
  reader.read("phase", out.phase).read("command", out.command).read("exit_code", out.exit_code);
  reader.read("cause", out.cause)
      .read("file", out.file)
      .read("line", out.line)
      .read("excerpt", out.excerpt);
  reader.read_each("next", out.next, [](const json::value& element) -> Result<NextStep> {
    NextStep step;
    JsonReader inner(element, "error.next");
    inner.read("command", step.command).read("when", step.when);
    SLIPWAY_CHECK(inner.status());
    return step;
  });
  SLIPWAY_CHECK(reader.status());
  if (const json::value* decision = reader.find("decision");
      decision != nullptr && decision->is_object())
    out.decision = json::serialize(*decision);
  out.code = errc_from_name(code);
  return out;
}

}  // namespace slipway
