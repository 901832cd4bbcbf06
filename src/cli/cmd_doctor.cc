// slipway doctor: is this machine fit, is the server well, and what to do if not.
//
// The host is looked at only where its answers count: when the server is, or would be, on this
// machine.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>

#include "base/task_group.h"
#include "base/text.h"
#include "build/doctor.h"
#include "cli/server.h"
#include "cli/view.h"
#include "engine/doctor.h"

namespace slipway::cli {
namespace {

using State = HostCheck::State;

std::string_view name_of(State state) {
  switch (state) {
    case State::ok:
      return "ok";
    case State::warn:
      return "warn";
    case State::fail:
      return "fail";
  }
  return "fail";
}

HostCheck check_server(Context& context) {
  HostCheck check{.name = "server"};
  Result<std::unique_ptr<ApiClient>> api = connect_running_server(context);
  if (!api) {
    check.state = State::warn;
    check.detail = api.error().message;
    check.fix = "a local one starts with the first deployment; or run: slipway serve";
    return check;
  }
  const Result<json::object> me = (*api)->get("/v1/whoami");
  if (!me) {
    check.state = State::fail;
    check.detail = me.error().message;
    check.fix = me.error().hint;
    return check;
  }
  check.detail =
      fmt::format("{} version {}", (*api)->server(), text_at(object_at(*me, "server"), "version"));
  return check;
}

constexpr Duration registry_limit = std::chrono::seconds{10};

std::vector<HostCheck> check_this_host(Context& context) {
  // The tools and the registries take seconds to answer: both are asked at once.
  std::vector<HostCheck> checks, registries;
  run_side_by_side("doctor", 2, [&](std::size_t which) {
    if (which == 1) {
      registries = check_registries(context.env.variables, registry_limit);
      return;
    }
    checks = check_host({.state_dir = context.env.data_dir / "engine",
                         .self_exe = context.env.self,
                         .runtime = "",
                         .dns_upstreams = {},
                         .registry_hosts = {}});
    std::ranges::move(check_toolchains(context.env.variables), std::back_inserter(checks));
  });
  std::ranges::move(registries, std::back_inserter(checks));
  return checks;
}

Result<std::vector<HostCheck>> all_checks(Context& context) {
  SLIPWAY_TRY(const std::optional<Credentials> credentials,
              load_credentials(context.env.config_dir));
  std::vector<HostCheck> checks;
  const ServerChoice choice = choose_server(context.common, context.env, credentials);
  if (choice.start == ServerChoice::Start::when_down || is_loopback(choice.url)) {
    const bool live = context.console.err_style().live && !context.common.quiet;
    if (live) context.console.err("looking at this machine ...");
    checks = check_this_host(context);
    if (live) context.console.err("\r\x1b[K");
  }
  checks.push_back(check_server(context));
  return checks;
}

std::string line_of(const HostCheck& check, const Style& style) {
  const std::string state = pad(name_of(check.state), 5);
  std::string out = fmt::format("{} {} {}\n",
                                check.state == State::ok     ? style.green(state)
                                : check.state == State::warn ? style.yellow(state)
                                                             : style.red(state),
                                pad(sanitize_line(check.name), 17), sanitize_line(check.detail));
  if (!check.fix.empty())
    out += fmt::format("      {}\n", style.cyan("mend: " + sanitize_line(check.fix)));
  return out;
}

Result<int> doctor(Context& context) {
  SLIPWAY_TRY(const std::vector<HostCheck> checks, all_checks(context));
  const Style style = context.console.out_style();
  const bool failed = std::ranges::count(checks, State::fail, &HostCheck::state) > 0;
  json::array rows;
  std::string out;
  for (const HostCheck& check : checks) {
    rows.push_back(json::object{{"name", check.name},
                                {"state", name_of(check.state)},
                                {"detail", check.detail},
                                {"fix", check.fix}});
    out += line_of(check, style);
  }
  context.console.out(
      context.common.json ? printable_json(json::object{{"ok", !failed}, {"checks", rows}}) : out);
  return failed ? info(Errc::failed_precondition).exit_code : 0;
}

}  // namespace

Action define_doctor(Arguments& arguments, CommonOptions& common) {
  arguments.flag("--json", common.json, "print {\"ok\": ..., \"checks\": [...]}");
  return [](Context& context) { return doctor(context); };
}

}  // namespace slipway::cli
