// slipway inspect: everything about one deployment.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow.h"
#include "cli/release_view.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

std::string actor_of(const json::object& deployment) {
  const json::object& actor = object_at(deployment, "actor");
  const std::string behalf = text_at(actor, "on_behalf_of");
  return text_at(actor, "name") + (behalf.empty() ? "" : " for " + behalf);
}

std::string names_in(const json::array& names) {
  std::vector<std::string> out;
  for (const json::value& name : names)
    if (name.is_string()) out.emplace_back(name.get_string());
  return join(out, " ");
}

std::string steps_block(const json::object& deployment, const Style& style) {
  std::string out;
  for (const json::value& value : array_at(deployment, "steps")) {
    if (!value.is_object()) continue;
    const json::object& step = value.get_object();
    const std::string state = text_at(step, "state");
    if (state == "skipped") continue;
    const std::string took =
        state == "running" ? "running"
                           : format_took(std::chrono::milliseconds(number_at(step, "took_ms")));
    std::string detail = sanitize_line(text_at(step, "detail"));
    if (!detail.empty()) detail.insert(0, "  ");
    if (state == "failed") detail.insert(0, "  " + style.red("failed"));
    out +=
        fmt::format("  {} {}{}\n", pad(sanitize_line(text_at(step, "name")), 9),
                    style.dim(fmt::format("{:>7}", state == "cached" ? "cached" : took)), detail);
  }
  return out;
}

std::string render(const json::object& d, Timestamp now, const Style& style) {
  std::string out = fmt::format("{}  {}", style.bold(sanitize_line(text_at(d, "id"))),
                                paint_state(text_at(d, "state"), style));
  if (const std::string reason = text_at(d, "state_reason"); !reason.empty())
    out += style.dim(" (" + sanitize_line(reason) + ")");
  out += '\n';
  const auto add = [&](std::string_view label, std::string_view text) {
    if (!text.empty())
      out += fmt::format("  {}{}\n", style.dim(pad(label, 10)), sanitize_line(text));
  };
  const auto section = [&](std::string_view title, const std::string& body) {
    if (!body.empty()) out += fmt::format("\n{}\n{}", style.bold(title), body);
  };
  add("project", text_at(d, "project"));
  add("alias", text_at(d, "alias"));
  add("url", text_at(d, "url"));
  add("alias url", text_at(d, "alias_url"));
  add("serves", serves_text(d));
  add("message", text_at(d, "message"));
  add("by", actor_of(d));
  add("created", format_when(text_at(d, "created_at"), now));
  if (const std::string at = text_at(d, "expires_at"); !at.empty())
    add("expires", format_when(at, now));
  const json::object& source = object_at(d, "source");
  add("source", fmt::format("{}, {}  {}",
                            count_of(static_cast<std::size_t>(number_at(source, "files")), "file"),
                            format_bytes(static_cast<std::uint64_t>(number_at(source, "bytes"))),
                            text_at(source, "digest").substr(0, 19)));
  if (const std::string changed = render_changed(object_at(d, "changed"), style); !changed.empty())
    out += fmt::format("  {}{}\n", style.dim(pad("changed", 10)), changed);
  add("env", names_in(array_at(d, "env")));
  add("toolchain", names_in(array_at(d, "toolchains")));
  if (const Result<Plan> plan = plan_from_json(json::value(object_at(d, "plan")));
      plan && !plan->services.empty())
    section("Plan", render_plan(*plan, style));
  section("Steps", steps_block(d, style));
  if (const std::optional<Error> error = deployment_error(d);
      error && text_at(d, "state") == "failed")
    section("Failure", render_error(*error, style));
  return out;
}

}  // namespace

Action define_inspect(Arguments& arguments, CommonOptions& common) {
  auto id = std::make_shared<std::optional<std::string>>();
  arguments.positional("ID", *id, "id, beginning of one, URL, project, or alias--project",
                       ValueKind::deployment, Presence::required);
  arguments.flag("--json", common.json, "print the deployment as JSON");
  return [id](Context& context) -> Result<int> {
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
    SLIPWAY_TRY(const json::object deployment, api->get(deployment_target(**id)));
    context.console.out(context.common.json
                            ? printable_json(deployment)
                            : render(deployment, context.clock.now(), context.console.out_style()));
    return 0;
  };
}

}  // namespace slipway::cli
