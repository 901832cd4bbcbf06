#include "cli/release_view.h"

#include <fmt/format.h>

#include "base/text.h"
#include "cli/api_client.h"
#include "cli/decision_view.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

constexpr std::size_t label_width = 11;

std::string safe(const json::object& object, std::string_view key) {
  return sanitize_line(text_at(object, key));
}

std::string actor_text(const json::object& object) {
  const json::object& actor = object_at(object, "actor");
  const std::string behalf = safe(actor, "on_behalf_of");
  return safe(actor, "name") + (behalf.empty() ? "" : " for " + behalf);
}

std::string words(const json::array& texts, std::string_view separator) {
  std::vector<std::string> out;
  for (const json::value& text : texts)
    if (text.is_string()) out.push_back(sanitize_line(text.get_string()));
  return join(out, separator);
}

std::string paint_rollout_state(std::string_view state, const Style& style) {
  const std::string safe_state = sanitize_line(state);
  if (state == "done" || state == "watching") return style.green(safe_state);
  if (state == "failed" || state == "denied" || state == "rolled_back")
    return style.red(safe_state);
  if (state == "canceled") return style.dim(safe_state);
  return style.yellow(safe_state);
}

std::string row(std::string_view label, const std::string& text, const Style& style) {
  return text.empty() ? "" : fmt::format("  {}{}\n", style.dim(pad(label, label_width)), text);
}

// "errors 0 of 120, before 3 of 2400", or what the judge said of it.
std::string evidence_text(const json::object& evidence) {
  const std::string detail = safe(evidence, "detail");
  if (!detail.empty()) return detail;
  const std::string metric = safe(evidence, "metric");
  if (number_at(evidence, "of") == 0) return fmt::format("{} {}", metric, safe(evidence, "says"));
  return fmt::format("{} {} of {}, before {} of {}", metric, number_at(evidence, "count"),
                     number_at(evidence, "of"), number_at(evidence, "baseline_count"),
                     number_at(evidence, "baseline_of"));
}

std::string verdict_word(std::string_view says) {
  if (says == "advance") return "goes on";
  if (says == "roll_back") return "goes back";
  if (says == "hold") return "holds";
  return sanitize_line(says);
}

std::string verdict_head(const json::object& verdict) {
  const std::int64_t percent = number_at(verdict, "percent");
  return fmt::format("{}{}", percent > 0 ? fmt::format("{} %: ", percent) : "",
                     verdict_word(text_at(verdict, "says")));
}

// Each measure in a line of its own.
std::string verdict_block(const json::object& verdict, const Style& style) {
  std::string out = fmt::format("  {}\n", verdict_head(verdict));
  for (const json::value& value : array_at(verdict, "evidence")) {
    if (!value.is_object()) continue;
    const bool worse = text_at(value.get_object(), "says") == "worse";
    const std::string text = evidence_text(value.get_object());
    out +=
        fmt::format("    {} {}\n", style.dim(pad(safe(value.get_object(), "metric"), label_width)),
                    worse ? style.red(text) : text);
  }
  return out;
}

std::string release_span(const json::object& rollout) {
  const std::int64_t from = number_at(rollout, "from"), to = number_at(rollout, "to");
  if (to == 0) return "";
  return from == 0 ? fmt::format("{}", to) : fmt::format("{} -> {}", from, to);
}

std::string steps_block(const json::object& rollout, const Style& style) {
  std::string out;
  for (const json::value& value : array_at(rollout, "steps")) {
    if (!value.is_object()) continue;
    const json::object& step = value.get_object();
    const std::string state = text_at(step, "state");
    if (state == "skipped") continue;
    const std::string took =
        state == "running" ? "running"
                           : format_took(std::chrono::milliseconds(number_at(step, "took_ms")));
    std::string detail = safe(step, "detail");
    if (!detail.empty()) detail.insert(0, "  ");
    if (state == "failed") detail.insert(0, "  " + style.red("failed"));
    out += fmt::format("  {} {}{}\n", pad(safe(step, "name"), label_width),
                       style.dim(fmt::format("{:>7}", took)), detail);
  }
  return out;
}

std::string age_at(const json::object& object, std::string_view key, Timestamp now) {
  const auto time = parse_rfc3339(text_at(object, key));
  return time ? format_age(*time, now) : "";
}

// What stands behind a release in the history: which it is, and whether one can go back to it.
std::string standing(const json::object& release, const Style& style) {
  if (is_true(release, "current")) return style.green("current");
  if (is_true(release, "previous")) return "warm, can roll back";
  if (is_true(release, "can_roll_back")) return "can roll back";
  if (text_at(release, "live_at").empty()) return style.dim("never served");
  return style.dim("artifact gone");
}

std::string last_verdict(const json::object& release) {
  const json::array& verdicts = array_at(release, "verdicts");
  if (verdicts.empty() || !verdicts.back().is_object()) return "";
  return fmt::format("{}{}", verdict_word(text_at(verdicts.back().get_object(), "says")),
                     verdicts.size() > 1 ? fmt::format(" ({} verdicts)", verdicts.size()) : "");
}

std::string instances_block(const json::object& environment, const Style& style) {
  std::string out;
  for (const json::value& value : array_at(environment, "instances")) {
    if (!value.is_object()) continue;
    const json::object& instance = value.get_object();
    const std::string state = safe(instance, "state");
    const std::int64_t restarts = number_at(instance, "restarts");
    const std::string label = safe(instance, "service"), detail = safe(instance, "detail");
    out += fmt::format(
        "    {}  {}{}{}{}\n", style.dim(safe(instance, "instance")),
        state == "ready" ? style.green(state) : style.yellow(state),
        label.empty() ? "" : "  " + label,
        restarts > 0 ? fmt::format("  {}", count_of(static_cast<std::size_t>(restarts), "restart"))
                     : "",
        detail.empty() || state == "ready" ? "" : style.dim("  " + detail));
  }
  return out;
}

std::string env_line(const json::object& env, const Style& style) {
  std::vector<std::string> parts;
  for (const auto& [key, mark] : {std::pair("added", "+"), {"removed", "-"}})
    for (const json::value& name : array_at(env, key))
      if (name.is_string())
        parts.push_back(style.dim(mark) + sanitize_line(std::string_view(name.get_string())));
  return join(parts, " ");
}

}  // namespace

std::string format_micros(std::int64_t micros) {
  if (micros < 1000) return fmt::format("{} us", micros);
  return fmt::format("{:.1f} ms", static_cast<double>(micros) / 1000);
}

std::string place_text(const json::object& rollout) {
  return fmt::format("{} of {}", safe(rollout, "environment"), safe(rollout, "project"));
}

std::string serves_text(const json::object& deployment) {
  std::vector<std::string> parts;
  for (const json::value& value : array_at(deployment, "serves"))
    if (value.is_object())
      parts.push_back(fmt::format("{} (release {})", safe(value.get_object(), "environment"),
                                  number_at(value.get_object(), "release")));
  return join(parts, ", ");
}

std::string render_verdict(const json::object& verdict) {
  std::vector<std::string> parts;
  for (const json::value& value : array_at(verdict, "evidence")) {
    if (!value.is_object()) continue;
    const json::object& evidence = value.get_object();
    const std::string metric = text_at(evidence, "metric");
    if (metric == "errors" || metric == "latency" || text_at(evidence, "says") == "worse")
      parts.push_back(evidence_text(evidence));
  }
  return fmt::format("{}{}", verdict_head(verdict),
                     parts.empty() ? "" : " (" + join(parts, "; ") + ")");
}

std::string render_proof(const json::object& proof, const Style& style) {
  const std::string verified = safe(proof, "deployment"), released = safe(proof, "release");
  if (released.empty() && verified.empty()) return "";
  if (is_true(proof, "equal"))
    return fmt::format("{}  {}", released, style.green("deployment = release, byte for byte"));
  if (verified.empty()) return released + style.dim("  (the deployment is gone)");
  return style.red(fmt::format("the deployment has {}, the release {}", verified, released));
}

std::string render_rollout(const json::object& rollout, Timestamp now, const Style& style) {
  const std::string state = text_at(rollout, "state");
  std::string out =
      fmt::format("{}  {}", style.bold(safe(rollout, "id")), paint_rollout_state(state, style));
  if (const std::string reason = safe(rollout, "reason"); !reason.empty())
    out += style.dim(" (" + reason + ")");
  out += '\n';
  const auto add = [&](std::string_view label, const std::string& text) {
    out += row(label, text, style);
  };
  add("what", safe(rollout, "kind") + (is_true(rollout, "automatic") ? ", automatic" : ""));
  add("of", place_text(rollout));
  add("release", release_span(rollout));
  add("deployment", safe(rollout, "deployment"));
  add("url", safe(rollout, "url"));
  add("by", actor_text(rollout));
  add("message", safe(rollout, "message"));
  add("created", format_when(text_at(rollout, "created_at"), now));
  if (const std::string at = text_at(rollout, "switched_at"); !at.empty())
    add("switched", fmt::format("{}, in {}", format_when(at, now),
                                format_micros(number_at(rollout, "switch_micros"))));
  if (const std::string at = text_at(rollout, "ended_at"); !at.empty())
    add("ended", format_when(at, now));
  add("artifact", render_proof(object_at(rollout, "proof"), style));
  add("snapshot", safe(rollout, "snapshot"));
  add("decision", safe(rollout, "decision"));
  add("approval", safe(rollout, "approval"));
  if (const std::string steps = steps_block(rollout, style); !steps.empty())
    out += fmt::format("\n{}\n{}", style.bold("Steps"), steps);
  if (const json::array& verdicts = array_at(rollout, "verdicts"); !verdicts.empty()) {
    out += fmt::format("\n{}\n", style.bold("Verdicts"));
    for (const json::value& verdict : verdicts)
      if (verdict.is_object()) out += verdict_block(verdict.get_object(), style);
  }
  if (const json::value* error = rollout.if_contains("error"); error && error->is_object())
    if (const Result<Error> known = error_from_json(*error))
      out += fmt::format("\n{}\n{}", style.bold("Failure"), render_error(*known, style));
  return out;
}

std::string render_releases(const json::object& history, Timestamp now, const Style& style) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(history, "releases")) {
    if (!value.is_object()) continue;
    const json::object& release = value.get_object();
    rows.push_back({fmt::format("{}", number_at(release, "number")), safe(release, "deployment"),
                    fmt::format("{}", number_at(release, "config_version")), actor_text(release),
                    age_at(release, "created_at", now), standing(release, style),
                    last_verdict(release), safe(release, "message")});
  }
  if (rows.empty()) return "";
  std::string out = table(
      {"RELEASE", "DEPLOYMENT", "CONFIG", "BY", "AGE", "STANDS", "VERDICT", "WHY"}, rows, style);
  const json::object& state = object_at(history, "state");
  if (const std::string paused = safe(state, "paused"); !paused.empty())
    out += fmt::format("{} deploys do not promote by themselves: {}\n", style.yellow("paused:"),
                       paused);
  if (const std::string frozen = text_at(state, "frozen_until"); !frozen.empty())
    out += fmt::format("{} no automatic rollback until {}: there were too many\n",
                       style.yellow("frozen:"), sanitize_line(frozen));
  return out;
}

std::string render_rollouts(const json::array& rollouts, Timestamp now, const Style& style) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : rollouts) {
    if (!value.is_object()) continue;
    const json::object& rollout = value.get_object();
    const std::string reason = safe(rollout, "reason"), message = safe(rollout, "message");
    rows.push_back({safe(rollout, "id"),
                    safe(rollout, "kind") + (is_true(rollout, "automatic") ? " (auto)" : ""),
                    safe(rollout, "environment"), release_span(rollout),
                    paint_rollout_state(text_at(rollout, "state"), style), actor_text(rollout),
                    age_at(rollout, "created_at", now), reason.empty() ? message : reason});
  }
  return rows.empty()
             ? ""
             : table({"ROLLOUT", "KIND", "ENVIRONMENT", "RELEASE", "STATE", "BY", "AGE", "WHY"},
                     rows, style);
}

std::string render_environments(const json::array& environments, const Style& style) {
  std::string out;
  for (const json::value& value : environments) {
    if (!value.is_object()) continue;
    const json::object& environment = value.get_object();
    const json::object& release = object_at(environment, "release");
    if (release.empty()) continue;
    out += fmt::format("  {}  release {}, {}  {}\n",
                       style.bold(pad(safe(environment, "environment"), label_width)),
                       number_at(release, "number"), safe(release, "deployment"),
                       style.cyan(safe(environment, "url")));
    for (const json::value& domain : array_at(environment, "domains"))
      if (domain.is_string())
        out += fmt::format("    {}\n", sanitize_line(std::string_view(domain.get_string())));
    if (const std::string active = safe(environment, "active"); !active.empty())
      out += fmt::format("    {} {}\n", style.yellow("under way:"), active);
    if (const std::string paused = safe(environment, "paused"); !paused.empty())
      out += fmt::format("    {} {}\n", style.yellow("paused:"), paused);
    out += instances_block(environment, style);
  }
  return out;
}

std::string render_promotion_preview(const json::object& preview, const Style& style) {
  const json::object& rollout = object_at(preview, "rollout");
  const json::object& current = object_at(preview, "current");
  std::string out = fmt::format("{} would become {}\n", style.bold(safe(rollout, "deployment")),
                                style.bold(place_text(rollout)));
  const auto add = [&](std::string_view label, const std::string& text) {
    out += row(label, text, style);
  };
  add("url", safe(preview, "url"));
  add("replaces", current.empty() ? "nothing: it would be the first release"
                                  : fmt::format("release {}, {}", number_at(current, "number"),
                                                safe(current, "deployment")));
  std::vector<std::string> percents;
  for (const json::value& percent : array_at(rollout, "canary"))
    if (percent.is_int64()) percents.push_back(fmt::format("{} %", percent.get_int64()));
  add("canary", join(percents, ", "));
  json::object files = object_at(preview, "files");
  if (!current.empty()) files["base"] = text_at(current, "deployment");
  add("files", render_changed(files, style));
  const json::object& env = object_at(preview, "env");
  add("env", env_line(env, style));
  if (const std::string missing = words(array_at(env, "missing"), " "); !missing.empty())
    add("env", fmt::format("{} {}", style.red("missing:"), missing));
  for (const json::value& line : array_at(preview, "plan_changes"))
    if (line.is_string()) add("plan", sanitize_line(std::string_view(line.get_string())));
  const json::object& cost = object_at(preview, "cost");
  add("runs",
      number_at(cost, "instances") == 0
          ? "no instance: static files"
          : fmt::format(
                "{} meanwhile, {} of memory at the most",
                count_of(static_cast<std::size_t>(number_at(cost, "instances")), "more instance"),
                format_bytes(static_cast<std::uint64_t>(number_at(cost, "memory_bytes")))));
  add("artifact", render_proof(object_at(preview, "proof"), style));
  return out + "\n" + render_decision(object_at(preview, "decision"), style);
}

}  // namespace slipway::cli
