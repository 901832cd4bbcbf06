// slipway doctor: is this machine fit, is the server well, and what to do if not.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

struct Check {
  std::string name, state, detail, mend;  // state: ok | warn | fail
};

Check check_server(Context& context) {
  Check check{.name = "server"};
  Result<std::unique_ptr<ApiClient>> api = connect_running_server(context);
  if (!api) {
    check.state = "warn";
    check.detail = api.error().message;
    check.mend = "a local one starts with the first deployment; or run: slipway serve";
    return check;
  }
  const Result<json::object> me = (*api)->get("/v1/whoami");
  if (!me) {
    check.state = "fail";
    check.detail = me.error().message;
    check.mend = me.error().hint;
    return check;
  }
  check.state = "ok";
  check.detail =
      fmt::format("{} version {}", (*api)->server(), text_at(object_at(*me, "server"), "version"));
  return check;
}

Result<int> doctor(Context& context) {
  std::vector<Check> checks;
  checks.push_back(check_server(context));
  const Style style = context.console.out_style();
  bool failed = false;
  json::array rows;
  std::string out;
  for (const Check& check : checks) {
    failed = failed || check.state == "fail";
    rows.push_back(json::object{{"name", check.name},
                                {"state", check.state},
                                {"detail", check.detail},
                                {"mend", check.mend}});
    const std::string state = pad(check.state, 5);
    out += fmt::format("{} {} {}\n",
                       check.state == "ok"     ? style.green(state)
                       : check.state == "warn" ? style.yellow(state)
                                               : style.red(state),
                       pad(sanitize_line(check.name), 14), sanitize_line(check.detail));
    if (!check.mend.empty())
      out += fmt::format("      {} {}\n", style.dim("mend:"), sanitize_line(check.mend));
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
