#include "cli/decision_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/api_client.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

std::string safe(const json::object& object, std::string_view key) {
  return sanitize_line(text_at(object, key));
}

std::string actor_text(const json::object& object, std::string_view key) {
  const json::object& actor = object_at(object, key);
  const std::string behalf = safe(actor, "on_behalf_of");
  return safe(actor, "name") + (behalf.empty() ? "" : " for " + behalf);
}

std::string words(const json::array& texts) {
  std::vector<std::string> out;
  for (const json::value& text : texts)
    if (text.is_string()) out.push_back(sanitize_line(text.get_string()));
  return join(out, " ");
}

// "line 3: ", or nothing for what is of the whole file.
std::string place_of(const json::object& problem) {
  const std::int64_t line = number_at(problem, "line");
  return line > 0 ? fmt::format("line {}: ", line) : std::string();
}

std::string paint_verdict(std::string_view verdict, const Style& style) {
  if (verdict == "allow") return style.green("allowed");
  if (verdict == "pending") return style.yellow("waits for approval");
  return style.red("denied");
}

std::string remedy_line(const json::object& remedy, const Style& style) {
  const std::string command = safe(remedy, "command");
  const std::string who = is_true(remedy, "actor_may") ? "you may do this" : safe(remedy, "who");
  return fmt::format("  - {}{}{}\n", safe(remedy, "description"),
                     command.empty() ? "" : fmt::format("\n    {}", style.cyan(command)),
                     who.empty() ? "" : style.dim(fmt::format("  ({})", who)));
}

// A line for each variable of a change of a configuration: what it becomes, and what it is.
std::string variables_block(const json::object& request, const Style& style) {
  std::string out;
  for (const json::value& value : array_at(request, "variables")) {
    if (!value.is_object()) continue;
    const json::object& variable = value.get_object();
    const bool secret = is_true(variable, "secret");
    const auto shown = [&](std::string_view key) {
      const json::value* text = variable.if_contains(key);
      if (text == nullptr || !text->is_string())
        return secret ? std::string("(secret)") : std::string("(not shown)");
      return secret ? fmt::format("(secret {})", safe(variable, key))
                    : shell_quote(safe(variable, key));
    };
    const std::string change = text_at(variable, "change"), name = safe(variable, "name");
    const std::string kind = style.dim(fmt::format("  [{}]", safe(variable, "kind")));
    if (change == "removed")
      out += fmt::format("  - {}  was {}{}\n", name, shown("before"), kind);
    else if (change == "modified")
      out += fmt::format("  ~ {}={}  was {}{}\n", name, shown("value"), shown("before"), kind);
    else
      out += fmt::format("  + {}={}{}\n", name, shown("value"), kind);
  }
  return out;
}

// As much as fits beside a list; what was left out is counted.
std::string some(const json::array& texts, std::size_t most) {
  std::vector<std::string> out;
  for (const json::value& text : texts) {
    if (out.size() == most) break;
    if (text.is_string()) out.push_back(sanitize_line(text.get_string()));
  }
  std::string all = join(out, " ");
  if (texts.size() > out.size()) all += fmt::format(" and {} more", texts.size() - out.size());
  return all;
}

std::string files_block(const json::object& files, const Style& style) {
  const std::string base = safe(files, "base");
  std::string out = fmt::format("  {}{} added, {} modified, {} removed{}\n",
                                style.dim(pad("files", 9)), number_at(files, "added"),
                                number_at(files, "modified"), number_at(files, "removed"),
                                base.empty() ? ", of a first one" : " against " + base);
  for (const json::value& value : array_at(files, "names")) {
    if (!value.is_object()) continue;
    const std::string change = text_at(value.get_object(), "change");
    out += fmt::format("  {} {}\n",
                       change == "added"     ? "+"
                       : change == "removed" ? "-"
                                             : "~",
                       safe(value.get_object(), "path"));
  }
  if (const std::int64_t more = number_at(files, "left_out"); more > 0)
    out += fmt::format("  {}\n", style.dim(fmt::format("and {} more", more)));
  return out;
}

std::string token_block(const json::object& token, const Style& style) {
  std::string out;
  const auto add = [&](std::string_view label, const std::string& text) {
    out += fmt::format("  {}{}\n", style.dim(pad(label, 9)), text);
  };
  const auto names = [&](std::string_view key) {
    const json::value* list = token.if_contains(key);
    if (list == nullptr || !list->is_array()) return std::string("any");
    return list->get_array().empty() ? std::string("none") : some(list->get_array(), 40);
  };
  const auto limit = [&](std::string_view key) {
    const json::value* number = token.if_contains(key);
    return number != nullptr && number->is_int64() ? std::to_string(number->get_int64())
                                                   : std::string("any number");
  };
  const json::object& holder = object_at(token, "holder");
  const std::string behalf = safe(holder, "on_behalf_of"), ends = safe(token, "expires_at");
  add("token of", fmt::format("{} {}{} ({} of {})", safe(holder, "kind"), safe(holder, "name"),
                              behalf.empty() ? "" : " for " + behalf, safe(token, "role"),
                              safe(token, "team")));
  add("may", names("actions"));
  add("projects", names("projects"));
  add("in", names("environments"));
  add("deploys", limit("deploys"));
  add("until", ends.empty() ? "it is revoked" : ends);
  for (const std::string_view key : {"label", "session", "task"})
    if (const std::string text = safe(token, key); !text.empty()) add(key, text);
  return out;
}

// What somebody who is asked has to know of it.
std::string about_block(const json::object& request, const Style& style) {
  const json::object& about = object_at(request, "about");
  std::string out;
  if (const std::string change = safe(about, "change"); !change.empty())
    out += fmt::format("  {}{}\n", style.dim(pad("change", 9)), change);
  if (const json::object& token = object_at(about, "token"); !token.empty())
    out += token_block(token, style);
  if (const json::object& files = object_at(about, "files"); !files.empty())
    out += files_block(files, style);
  const json::object& rules = object_at(about, "rules");
  for (const std::string_view key : {"added", "removed", "changed", "weakened", "advisory"})
    if (const json::array& ids = array_at(rules, key); !ids.empty())
      out += fmt::format("  {}{}\n", style.dim(pad(key, 9)), some(ids, 20));
  if (const std::int64_t more = number_at(rules, "left_out"); more > 0)
    out += fmt::format("  {}\n", style.dim(fmt::format("and {} more rules", more)));
  if (const std::string reason = safe(about, "reason"); !reason.empty())
    out += fmt::format("  {}{}\n", style.dim(pad("reason", 9)), reason);
  return out;
}

}  // namespace

int exit_code_of(const json::object& decision) {
  const std::string verdict = text_at(decision, "verdict");
  if (verdict == "deny") return info(Errc::denied_by_policy).exit_code;
  return verdict == "pending" ? info(Errc::failed_precondition).exit_code : 0;
}

std::string render_decision(const json::object& decision, const Style& style) {
  const json::object& policy = object_at(decision, "policy");
  const std::string id = safe(decision, "id");  // none of a question that nothing came of
  std::string out =
      fmt::format("{}{} at {}\n", id.empty() ? "" : style.bold(id) + "  ",
                  paint_verdict(text_at(decision, "verdict"), style), safe(decision, "point"));
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {}{}\n", style.dim(pad(label, 9)), text);
  };
  add("project", safe(decision, "project"));
  add("about", safe(decision, "resource"));
  add("asked by", actor_text(decision, "actor"));
  add("time", safe(decision, "time"));
  add("policy", fmt::format("version {}  {}", number_at(policy, "version"),
                            safe(policy, "digest").substr(0, 19)));
  add("facts", safe(decision, "facts").substr(0, 19));
  add("rules", words(array_at(decision, "rules")));
  std::vector<std::string> inactive;
  for (const json::value& value : array_at(decision, "inactive"))
    if (value.is_object())
      inactive.push_back(fmt::format("{} ({})", safe(value.get_object(), "rule"),
                                     safe(value.get_object(), "why")));
  add("inactive", join(inactive, ", "));
  add("skipped", words(array_at(decision, "skipped")));
  if (const std::string glass = safe(decision, "break_glass"); !glass.empty())
    add("glass", style.yellow("broken by " + glass));
  for (const json::value& value : array_at(decision, "violations")) {
    if (!value.is_object()) continue;
    const json::object& violation = value.get_object();
    const std::string because = safe(violation, "lifted_because");
    const std::string lifted =
        safe(violation, "lifted_by") + (because.empty() ? "" : fmt::format(" ({})", because));
    out += fmt::format("\n{} {}{}\n  {}\n", style.bold(safe(violation, "rule")),
                       style.dim(fmt::format("({}, {})", safe(violation, "enforcement"),
                                             safe(violation, "state"))),
                       lifted.empty() ? "" : " by " + lifted, safe(violation, "message"));
    for (const auto& [column, cell] : object_at(violation, "row"))
      out += fmt::format("    {} {}\n", style.dim(pad(sanitize_line(column), 16)),
                         sanitize_line(cell.is_string()  ? std::string(cell.get_string())
                                       : cell.is_int64() ? std::to_string(cell.get_int64())
                                                         : std::string("NULL")));
  }
  for (const json::value& value : array_at(decision, "approvals")) {
    if (!value.is_object()) continue;
    const json::object& need = value.get_object();
    out += fmt::format("\n{}: {} of {} approvals, from {}\n", style.bold(safe(need, "rule")),
                       number_at(need, "have"), number_at(need, "need"),
                       words(array_at(need, "roles")));
  }
  const auto ways = [&](std::string_view title, std::string_view key) {
    if (array_at(decision, key).empty()) return;
    out += fmt::format("\n{}\n", style.bold(title));
    for (const json::value& remedy : array_at(decision, key))
      if (remedy.is_object()) out += remedy_line(remedy.get_object(), style);
  };
  ways("It would pass with", "remedies");
  ways("Other ways", "alternatives");
  return out;
}

std::string render_trial(const json::object& trial, const Style& style) {
  std::string out;
  for (const json::value& value : array_at(trial, "problems")) {
    if (!value.is_object()) continue;
    const json::object& problem = value.get_object();
    const bool error = text_at(problem, "level") == "error";
    const std::string rule = safe(problem, "rule"), hint = safe(problem, "hint");
    out += fmt::format("{} {}{}{}\n", error ? style.red("error:") : style.yellow("warning:"),
                       place_of(problem), rule.empty() ? "" : "rule " + rule + ": ",
                       safe(problem, "message"));
    if (!hint.empty()) out += fmt::format("  {} {}\n", style.dim("hint"), hint);
  }
  std::size_t passed = 0;
  for (const json::value& value : array_at(trial, "tests")) {
    if (!value.is_object()) continue;
    const json::object& test = value.get_object();
    if (is_true(test, "passed")) {
      ++passed;
      continue;
    }
    out += fmt::format("{} {}rule {}: \"{}\" does not {}: {}\n", style.red("test:"), place_of(test),
                       safe(test, "rule"), safe(test, "test"), safe(test, "expected"),
                       safe(test, "detail"));
  }
  out += fmt::format("{} of {} pass\n", passed, count_of(array_at(trial, "tests").size(), "test"));
  for (const json::value& value : array_at(trial, "analysis")) {
    if (!value.is_object()) continue;
    std::string what = safe(value.get_object(), "what");
    std::ranges::replace(what, '_', ' ');
    out += fmt::format("{} {} {}\n", style.yellow(what + ":"), safe(value.get_object(), "rule"),
                       style.dim(safe(value.get_object(), "detail")));
  }
  for (const std::string_view key : {"added", "removed", "changed", "weakened", "advisory"})
    if (!array_at(trial, key).empty())
      out += fmt::format("{} {}\n", style.dim(pad(key, 9)), words(array_at(trial, key)));
  if (const json::value* replayed = trial.if_contains("replayed"); replayed != nullptr) {
    const json::array& flips = array_at(trial, "flips");
    out += fmt::format("of the last {}, {} would be otherwise\n",
                       count_of(static_cast<std::size_t>(number_at(trial, "replayed")), "decision"),
                       flips.size());
    for (const json::value& value : flips)
      if (value.is_object())
        out += fmt::format("  {}  {} -> {}  {}\n", safe(value.get_object(), "id"),
                           safe(value.get_object(), "was"), safe(value.get_object(), "now"),
                           style.dim(safe(value.get_object(), "summary")));
  }
  return out;
}

std::string render_approvals(const json::array& approvals, Timestamp now, const Style& style) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : approvals) {
    if (!value.is_object()) continue;
    const json::object& request = value.get_object();
    std::vector<std::string> needs;
    for (const json::value& need : array_at(request, "needs"))
      if (need.is_object())
        needs.push_back(fmt::format("{} {}/{}", safe(need.get_object(), "rule"),
                                    number_at(need.get_object(), "have"),
                                    number_at(need.get_object(), "need")));
    rows.push_back({safe(request, "id"), safe(request, "state"), safe(request, "action"),
                    safe(request, "resource"), actor_text(request, "requester"), join(needs, ", "),
                    format_when(text_at(request, "expires_at"), now)});
  }
  if (rows.empty()) return "";
  std::string out =
      table({"APPROVAL", "STATE", "ACTION", "OF", "BY", "NEEDS", "ENDS"}, rows, style);
  for (const json::value& value : approvals) {
    if (!value.is_object()) continue;
    const std::string variables =
        about_block(value.get_object(), style) + variables_block(value.get_object(), style);
    if (!variables.empty())
      out += fmt::format("\n{}\n{}", style.bold(safe(value.get_object(), "id")), variables);
  }
  return out;
}

std::string render_requests(const json::array& requests) {
  std::string out;
  for (const json::value& value : requests) {
    if (!value.is_object()) continue;
    const json::object& request = value.get_object();
    std::vector<std::string> names;
    for (const json::value& variable : array_at(request, "variables"))
      if (variable.is_object()) names.push_back(safe(variable.get_object(), "name"));
    const std::string reason = safe(request, "closed_reason");
    out += fmt::format("{} ({}), asked by {}: {}\n", safe(request, "id"), join(names, " "),
                       actor_text(request, "requester"),
                       text_at(request, "state") == "open" ? "waits for people"
                       : reason.empty()                    ? safe(request, "state")
                                                           : reason);
  }
  return out;
}

std::string render_refused(const json::array& requests, const Style& style) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : requests) {
    if (!value.is_object()) continue;
    const json::object& request = value.get_object();
    rows.push_back({safe(request, "id"), safe(request, "action"), safe(request, "resource"),
                    actor_text(request, "requester"), safe(request, "closed_reason")});
  }
  return rows.empty() ? "" : table({"REFUSED", "ACTION", "OF", "BY", "WHY"}, rows, style);
}

std::string render_approval(const json::object& request, const Style& style) {
  const std::string id = safe(request, "id"), state = safe(request, "state");
  const bool open = state == "open";
  std::string out =
      fmt::format("{}  {}\n", style.bold(id), open ? style.yellow("waits for people") : state);
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {}{}\n", style.dim(pad(label, 9)), text);
  };
  add("asks for", safe(request, "action"));
  add("of", safe(request, "resource"));
  add("project", fmt::format("{} {}", safe(request, "project"), safe(request, "environment")));
  add("asked by", actor_text(request, "requester"));
  add("asked at", safe(request, "created_at"));
  add(open ? "ends at" : "ended at", safe(request, open ? "expires_at" : "closed_at"));
  add("why", safe(request, "closed_reason"));
  add("decision", safe(request, "decision"));
  out += about_block(request, style) + variables_block(request, style);
  for (const json::value& value : array_at(request, "needs")) {
    if (!value.is_object()) continue;
    const json::object& need = value.get_object();
    const std::int64_t missing = number_at(need, "need") - number_at(need, "have");
    const std::string people = words(array_at(need, "people"));
    out += fmt::format("\n{}: {} of {} approvals, from {}{}{}\n", style.bold(safe(need, "rule")),
                       number_at(need, "have"), number_at(need, "need"),
                       words(array_at(need, "roles")), people.empty() ? "" : " among " + people,
                       missing > 0 ? fmt::format("; {} missing", missing) : "");
  }
  for (const json::value& value : array_at(request, "votes")) {
    if (!value.is_object()) continue;
    const json::object& vote = value.get_object();
    const std::string reason = safe(vote, "reason");
    out += fmt::format("  {} {} it{}\n", actor_text(vote, "actor"),
                       text_at(vote, "choice") == "approve" ? "approved" : "rejected",
                       reason.empty() ? "" : ": " + reason);
  }
  if (open)
    out += fmt::format("\n  {}\n  {}\n", style.cyan("slipway approve " + id + " --reason TEXT"),
                       style.cyan("slipway reject " + id + " --reason TEXT"));
  return out;
}

std::string render_waivers(const json::array& waivers, Timestamp now, const Style& style) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : waivers) {
    if (!value.is_object()) continue;
    const json::object& waiver = value.get_object();
    rows.push_back({safe(waiver, "id"), safe(waiver, "state"), safe(waiver, "rule"),
                    safe(waiver, "subject"), safe(waiver, "project"), actor_text(waiver, "author"),
                    actor_text(waiver, "approver"), safe(waiver, "reason"),
                    format_when(text_at(waiver, "expires_at"), now)});
  }
  return rows.empty() ? ""
                      : table({"WAIVER", "STATE", "RULE", "SUBJECT", "PROJECT", "BY", "APPROVED BY",
                               "WHY", "ENDS"},
                              rows, style);
}

std::string render_emergencies(const json::array& emergencies, Timestamp now, const Style& style) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : emergencies) {
    if (!value.is_object()) continue;
    const json::object& emergency = value.get_object();
    rows.push_back({safe(emergency, "id"), safe(emergency, "state"), safe(emergency, "project"),
                    actor_text(emergency, "first"), actor_text(emergency, "second"),
                    safe(emergency, "reason"), format_when(text_at(emergency, "expires_at"), now)});
  }
  return rows.empty()
             ? ""
             : table({"EMERGENCY", "STATE", "PROJECT", "BY", "AND", "WHY", "ENDS"}, rows, style);
}

}  // namespace slipway::cli
