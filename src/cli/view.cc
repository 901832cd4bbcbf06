#include "cli/view.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/api_client.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t tail_lines = 20, tail_lines_after_excerpt = 8;

// "  label    text".
std::string row(std::string_view label, std::string_view text, const Style& style) {
  return fmt::format("  {}{}\n", style.dim(pad(label, 9)), text);
}

std::string excerpt_block(const std::vector<std::string>& excerpt, const Style& style) {
  std::string out;
  const std::string bar = style.dim(style.unicode ? "│" : "|");
  for (const std::string& line : excerpt) out += fmt::format("  {} {}\n", bar, sanitize_line(line));
  return out;
}

bool holds_all(const std::vector<std::string>& all, const std::vector<std::string>& part) {
  return std::ranges::all_of(
      part, [&](const std::string& line) { return std::ranges::find(all, line) != all.end(); });
}

std::string env_needs(const Service& service) {
  std::vector<std::string> needed;
  for (const EnvNeed& need : service.env)
    needed.push_back(need.name + (need.required ? " (required)" : ""));
  return join(needed, ", ");
}

std::string title_of(const Service& service, const Style& style) {
  std::string what = service.framework.empty() ? service.provider : service.framework;
  if (service.framework != service.provider && !service.framework.empty())
    what += " on " + service.provider;
  std::string out = style.bold(sanitize_line(what));
  if (!service.root.empty()) out += " in " + sanitize_line(service.root);
  if (!service.runtime.name.empty()) {
    const std::string version =
        service.runtime.version.empty() ? "any version" : service.runtime.version;
    out += style.dim(sanitize_line(
        fmt::format("  {} {} ({})", service.runtime.name, version, service.runtime.source)));
  }
  return out;
}

std::string service_block(const Service& service, const Style& style) {
  std::string out = title_of(service, style) + "\n";
  const auto add = [&](std::string_view label, const std::string& text) {
    if (!text.empty()) out += row(label, sanitize_line(text), style);
  };
  add("install", service.install.value_or(""));
  add("build", service.build.value_or(""));
  add("start", service.start.value_or(""));
  const std::string output = service.output_dir.value_or("");
  if (service.is_static)
    add("serves", output.empty() || output == "." ? "the folder itself" : output + "/");
  if (service.port) add("port", fmt::format("{}", *service.port));
  add("env", env_needs(service));
  add("database", join(service.databases, ", "));
  for (const Evidence& evidence : service.evidence) {
    const std::string where =
        evidence.line > 0 ? fmt::format("{}:{}", evidence.file, evidence.line) : evidence.file;
    add("because", where.empty() ? evidence.fact : where + ": " + evidence.fact);
  }
  add("sure", fmt::format("{:.0f} %", service.confidence * 100));
  return out;
}

}  // namespace

std::string format_took(Duration took) {
  if (took < 1s) return fmt::format("{}ms", took / 1ms);
  if (took < 60s) return fmt::format("{:.1f}s", static_cast<double>(took / 100ms) / 10.0);
  return fmt::format("{}m{:02}s", took / 60s, took % 60s / 1s);
}

std::string format_age(Timestamp then, Timestamp now) {
  const Duration age = std::max(now - then, Duration::zero());
  if (age < 60s) return fmt::format("{}s", age / 1s);
  if (age < 60min) return fmt::format("{}m", age / 1min);
  if (age < 48h) return fmt::format("{}h", age / 1h);
  return fmt::format("{}d", age / 24h);
}

std::string format_when(std::string_view rfc3339, Timestamp now) {
  const std::optional<Timestamp> time = parse_rfc3339(rfc3339);
  if (!time) return sanitize_line(rfc3339);
  // A moment after "--ttl 24h" is still a day away: half a unit is rounded up.
  if (*time > now) {
    const Duration away = *time - now;
    return "in " + format_age(now, *time + (away < 60min ? 30s : away < 48h ? 30min : 12h));
  }
  return format_age(*time, now) + " ago";
}

std::string count_of(std::size_t number, std::string_view one) {
  return fmt::format("{} {}{}", number, one, number == 1 ? "" : "s");
}

std::string render_error(const Error& error, const Style& style,
                         const std::vector<std::string>& log_tail) {
  const std::string title =
      error.code == Errc::canceled ? style.yellow("canceled:") : style.red("error:");
  std::string out = fmt::format("{} {}\n", title, sanitize_line(error.message));
  if (!error.phase.empty()) out += row("phase", sanitize_line(error.phase), style);
  const std::string code = error.exit_code ? fmt::format("exit code {}", *error.exit_code) : "";
  if (!error.command.empty())
    out += row("command", sanitize_line(error.command) + (code.empty() ? "" : " (" + code + ")"),
               style);
  else if (!code.empty())
    out += row("ended", "with " + code, style);
  if (!error.cause.empty()) out += row("cause", sanitize_line(error.cause), style);
  if (!error.file.empty()) {
    const std::string at =
        error.line.value_or(0) > 0 ? fmt::format("{}:{}", error.file, *error.line) : error.file;
    out += row("at", sanitize_line(at), style);
  }
  out += excerpt_block(error.excerpt, style);
  std::vector<std::string> tail = log_tail;
  const auto blank = [](const std::string& line) { return trim(line).empty(); };
  std::erase_if(tail, blank);
  const std::size_t most = error.excerpt.empty() ? tail_lines : tail_lines_after_excerpt;
  if (tail.size() > most) tail.erase(tail.begin(), tail.end() - static_cast<std::ptrdiff_t>(most));
  if (!tail.empty() && !holds_all(error.excerpt, tail)) {
    out += "  " + style.dim("the log ends with") + "\n";
    out += excerpt_block(tail, style);
  }
  if (!error.hint.empty()) out += row("hint", sanitize_line(error.hint), style);
  for (const NextStep& step : error.next)
    out += row("next",
               fmt::format("{}  {}", style.cyan(sanitize_line(step.command)),
                           style.dim(sanitize_line(step.when))),
               style);
  return out;
}

std::string render_plan(const Plan& plan, const Style& style) {
  std::string out;
  for (const Service& service : plan.services) {
    if (!out.empty()) out += '\n';
    if (plan.services.size() > 1) out += style.dim(sanitize_line(service.name)) + "  ";
    out += service_block(service, style);
  }
  if (plan.services.empty()) out += "nothing here that Slipway knows how to run\n";
  for (const Warning& warning : plan.warnings) {
    const std::string where = warning.file.empty() ? ""
                              : warning.line > 0
                                  ? fmt::format("{}:{}: ", warning.file, warning.line)
                                  : warning.file + ": ";
    out += fmt::format("{} {}\n", style.yellow("warning:"), sanitize_line(where + warning.message));
    if (!warning.fix.empty()) out += row("fix", sanitize_line(warning.fix), style);
  }
  for (const Question& question : plan.questions) {
    out += fmt::format("{} {}\n", style.yellow("question:"), sanitize_line(question.text));
    out += row("choices", sanitize_line(join(question.choices, ", ")), style);
    out += row(
        "taken",
        sanitize_line(fmt::format("{} (answer with {})", question.default_choice, question.flag)),
        style);
  }
  return out;
}

std::string render_changed(const json::object& changed, const Style& style) {
  const std::string base = text_at(changed, "base");
  if (base.empty()) return {};
  struct Kind {
    std::string_view key, mark;
  };
  constexpr Kind kinds[] = {{"added", "+"}, {"modified", "~"}, {"removed", "-"}};
  std::size_t total = 0;
  for (const Kind& kind : kinds) total += array_at(changed, kind.key).size();
  if (total == 0) return fmt::format("nothing since {}", sanitize_line(base));
  std::string out = fmt::format("{} since {}:", count_of(total, "file"), sanitize_line(base));
  constexpr std::size_t shown = 8;
  std::size_t left = std::min(total, shown);
  for (const Kind& kind : kinds)
    for (const json::value& path : array_at(changed, kind.key)) {
      if (left == 0) break;
      if (!path.is_string()) continue;
      --left;
      out += fmt::format(" {}{}", style.dim(kind.mark),
                         sanitize_line(std::string_view(path.get_string())));
    }
  if (total > shown) out += style.dim(fmt::format(" and {} more", total - shown));
  return out;
}

std::string paint_state(std::string_view state, const Style& style) {
  const std::string safe = sanitize_line(state);
  if (state == "ready") return style.green(safe);
  if (state == "failed") return style.red(safe);
  if (state == "queued" || state == "building" || state == "starting") return style.yellow(safe);
  return style.dim(safe);
}

}  // namespace slipway::cli
