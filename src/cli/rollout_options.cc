#include "cli/rollout_options.h"

#include <fmt/format.h>

#include <charconv>

#include "base/clock.h"
#include "base/text.h"

namespace slipway::cli {
namespace {

std::optional<int> number_in(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<json::array> percents(const std::string& text) {
  json::array out;
  int last = 0;
  for (const std::string_view word : split(text, ',')) {
    const std::optional<int> percent = number_in(trim(word));
    if (!percent || *percent <= last || *percent > 99)
      return fail(Errc::invalid_argument,
                  fmt::format("--canary '{}' is no list of rising shares", sanitize_line(text)),
                  "percents of the traffic from 1 to 99, such as: --canary 5,25,50");
    last = *percent;
    out.push_back(json::value(*percent));
  }
  return out;
}

Result<json::object> smoke_request(const std::string& text) {
  std::string path = text;
  int status = 200;
  const auto equals = text.rfind('=');
  if (equals != std::string::npos && text.size() - equals == 4)
    if (const std::optional<int> number = number_in(text.substr(equals + 1))) {
      status = *number;
      path.resize(equals);
    }
  if (!path.starts_with('/') || path.find_first_of(" \r\n\t") != std::string::npos ||
      status < 100 || status > 599)
    return fail(Errc::invalid_argument, fmt::format("--smoke '{}' is no path", sanitize_line(text)),
                "a path of the app and the status it answers: --smoke /healthz or "
                "--smoke /old=301");
  return json::object{{"path", path}, {"status", status}};
}

}  // namespace

void RolloutOptions::declare(Arguments& arguments) {
  arguments.option("--canary", "LIST", canary,
                   "give it these percents of the traffic first: 5,25,50");
  arguments.option("--step", "TIME", step, "how long each of them lasts at least: 5m");
  arguments.list("--smoke", "PATH[=STATUS]", smoke,
                 "before any traffic, this must answer (200 unless given); as often as needed");
}

Status RolloutOptions::add_to(json::object& body) const {
  if (canary) {
    SLIPWAY_TRY(body["canary"], percents(*canary));
  }
  if (step) {
    const std::optional<Duration> length = parse_duration(*step);
    if (!length || *length <= Duration::zero())
      return fail(Errc::invalid_argument,
                  fmt::format("--step '{}' is no length of time", sanitize_line(*step)),
                  "write it as 30s, 5m or 1h");
    body["canary_step"] = *step;
  }
  json::array requests;
  for (const std::string& text : smoke) {
    SLIPWAY_TRY(json::object request, smoke_request(text));
    requests.push_back(std::move(request));
  }
  if (!requests.empty()) body["smoke"] = std::move(requests);
  return {};
}

}  // namespace slipway::cli
