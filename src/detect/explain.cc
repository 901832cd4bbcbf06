#include "detect/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway {
namespace {

struct Field {
  std::string_view name;
  std::string (*value)(const Service&);
  std::string_view flag, key;  // how to say otherwise: on the command line, in slipway.toml
};

std::string text_or(const std::optional<std::string>& text, std::string_view otherwise) {
  return text ? *text : std::string(otherwise);
}

std::string listed(const std::vector<std::string>& items) {
  return items.empty() ? "none" : join(items, ", ");
}

std::string environment(const Service& service) {
  std::string out;
  for (const EnvNeed& need : service.env)
    out += fmt::format(
        "\n    {:<28} {}{}{} ({})", need.name, need.kind, need.required ? ", required" : "",
        need.default_value && need.kind != "secret" ? ", default " + *need.default_value : "",
        need.evidence);
  return out.empty() ? "none" : out;
}

std::string wiring(const Service& service) {
  std::string out;
  for (const Wire& wire : service.wires)
    out += fmt::format("\n    {:<28} {} of {} ({})", wire.env, wire.value, wire.service,
                       wire.evidence);
  for (const Proxy& proxy : service.proxies)
    out += fmt::format("\n    {:<28} passed to {} ({})", proxy.path, proxy.service, proxy.evidence);
  return out.empty() ? "none" : out;
}

constexpr std::array fields{
    Field{"kind", [](const Service& s) { return s.kind; }, "", "[services.NAME] kind"},
    Field{"root", [](const Service& s) { return s.root.empty() ? std::string(".") : s.root; },
          "--root DIR", "root"},
    Field{"provider", [](const Service& s) { return s.provider; }, "--framework NAME", "framework"},
    Field{"framework",
          [](const Service& s) { return s.framework.empty() ? std::string("none") : s.framework; },
          "--framework NAME", "framework"},
    Field{"runtime",
          [](const Service& s) {
            if (s.runtime.name.empty()) return std::string("none");
            return fmt::format("{} {} (from {})", s.runtime.name,
                               s.runtime.version.empty() ? "any version" : s.runtime.version,
                               s.runtime.source);
          },
          "--runtime NAME@VERSION", "runtime"},
    Field{"package_manager",
          [](const Service& s) {
            return s.package_manager.empty() ? std::string("none")
                                             : s.package_manager + " " + s.package_manager_version;
          },
          "--install CMD", "install"},
    Field{"install", [](const Service& s) { return text_or(s.install, "nothing to install"); },
          "--install CMD", "install"},
    Field{"build", [](const Service& s) { return text_or(s.build, "nothing to build"); },
          "--build CMD", "build"},
    Field{"release", [](const Service& s) { return text_or(s.release, "none"); }, "--release CMD",
          "release"},
    Field{"start",
          [](const Service& s) {
            if (s.is_static) return "static files of " + text_or(s.output_dir, ".");
            if (!s.cron_path.empty()) return "requests " + s.cron_path;
            return text_or(s.start, "none");
          },
          "--start CMD", "start"},
    Field{"output_dir", [](const Service& s) { return text_or(s.output_dir, "none"); },
          "--output DIR", "output"},
    Field{"port",
          [](const Service& s) {
            return s.port ? std::to_string(*s.port) : std::string("whatever PORT says");
          },
          "--port N", "port"},
    Field{"health_path", [](const Service& s) { return s.health_path; }, "--health PATH", "health"},
    Field{"env", environment, "-e NAME=VALUE", ""},
    Field{"databases", [](const Service& s) { return listed(s.databases); }, "", ""},
    Field{"volumes", [](const Service& s) { return listed(s.volumes); }, "", ""},
    Field{"system_packages", [](const Service& s) { return listed(s.system_packages); }, "", ""},
    Field{"wires", wiring, "-e NAME=VALUE", ""},
    Field{"schedule",
          [](const Service& s) { return s.schedule.empty() ? std::string("none") : s.schedule; },
          "", "[services.NAME] schedule"},
};

constexpr auto names = [] {
  std::array<std::string_view, fields.size()> out;
  for (std::size_t i = 0; i < fields.size(); ++i) out[i] = fields[i].name;
  return out;
}();

bool has_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(
      parts, [text](std::string_view part) { return text.find(part) != std::string_view::npos; });
}
bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts,
                             [text](std::string_view part) { return text.starts_with(part); });
}

std::string_view field_of(std::string_view fact) {
  const std::string_view key = fact.substr(0, fact.find(':'));
  for (const std::string_view name : names)
    if (key == name && key.size() < fact.size()) return name;
  if (key == "output" || key == "--output") return "output_dir";
  if (key == "health" || key == "--health") return "health_path";
  if (fact.starts_with("--")) {
    for (const std::string_view name : names)
      if (fact.substr(2) == name) return name;
    return {};
  }
  if (starts_with_any(fact, {"dependency ", "devDependency ", "requires ", "gem ", "depends on ",
                             "uses ", "enables the ", "imports "}))
    return "framework";
  if (starts_with_any(fact, {"listens"})) return "port";
  if (starts_with_any(fact, {"Java ", "Ruby ", "Python ", "Node ", "Elixir ", "targets ",
                             "Crystal ", "Dart ", "Go ", "Rust ", "PHP ", "snapshot "}))
    return "runtime";
  if (has_any(key, {"installCommand", "lockfile", "packageManager"})) return "install";
  if (has_any(key, {"release", "postdeploy", "preDeploy"})) return "release";
  if (key.starts_with("scripts.")) return has_any(key, {"build", "generate"}) ? "build" : "start";
  if (has_any(key, {"ron", "requests "}) && has_any(fact, {"chedule", "cron", "requests "}))
    return "schedule";
  if (has_any(key, {"build", "builds"})) return "build";
  if (starts_with_any(fact, {"publishes ", "a page to serve"})) return "output_dir";
  if (has_any(key, {"startCommand", "Procfile ", "tasks.start", "processes.", "entrypoint", "start",
                    "heroku.yml "}))
    return "start";
  if (has_any(fact, {"is the ", "the program", "binary ", "int main", "a script", "executable ",
                     "Rack application", "a program", "alias "}))
    return "start";
  if (starts_with_any(fact, {"from ", "cmd ", "entrypoint "})) return "start";
  return {};
}

std::string place(const Evidence& evidence) {
  if (evidence.file.empty()) return "the command line";
  return evidence.line > 0 ? fmt::format("{}:{}", evidence.file, evidence.line) : evidence.file;
}

}  // namespace

std::span<const std::string_view> explainable_fields() { return names; }

void name_fields(Service& service) {
  for (Evidence& evidence : service.evidence)
    if (evidence.field.empty()) evidence.field = field_of(evidence.fact);
}

Result<std::string> explain(const Plan& plan, std::string_view name) {
  const auto* const field = std::ranges::find(fields, name, &Field::name);
  if (field == fields.end()) {
    std::string known;
    for (const std::string_view each : names)
      known += (known.empty() ? "" : ", ") + std::string(each);
    return fail(Errc::invalid_argument,
                fmt::format("a plan has no field '{}'", sanitize_line(name)),
                "fields are " + known);
  }
  std::string out;
  for (const Service& service : plan.services) {
    std::string value;
    for (const std::string_view line : lines(field->value(service)))
      value += (value.empty() ? "" : "\n") + sanitize_line(line);
    if (field->value(service).starts_with('\n'))
      value = "\n" + value.substr(value.find_first_not_of('\n'));
    out += fmt::format("{}: {} is {}\n", sanitize_line(service.name), field->name, value);
    bool said = false;
    const auto tell = [&](const Evidence& evidence) {
      out += fmt::format("  because {:<26} {}\n", sanitize_line(place(evidence)),
                         sanitize_line(evidence.fact));
      said = true;
    };
    for (const Evidence& evidence : service.evidence)
      if (evidence.field == field->name ||
          (field->name == "provider" && evidence.field == "framework") ||
          (field->name == "package_manager" && evidence.field == "install"))
        tell(evidence);
    // Nothing decides this field alone: all that was seen.
    const bool own_evidence = field->name == "env" || field->name == "wires";
    if (!said && !own_evidence)
      for (const Evidence& evidence : service.evidence) tell(evidence);
    if (field->name == "framework" || field->name == "provider")
      for (const Candidate& candidate : plan.candidates)
        if (candidate.root == service.root && !candidate.provider.empty())
          out += fmt::format(
              "  not {}: {}\n",
              sanitize_line(candidate.framework.empty() ? candidate.provider : candidate.framework),
              sanitize_line(candidate.reason));
  }
  if (plan.services.empty()) out += "Nothing to run was found.\n";
  for (const Question& question : plan.questions)
    if (!field->flag.empty() &&
        question.flag.starts_with(field->flag.substr(0, field->flag.find(' '))))
      out += fmt::format("asked: {} Taken: {}. Otherwise: {}\n", sanitize_line(question.text),
                         sanitize_line(question.default_choice), sanitize_line(question.flag));
  if (!field->flag.empty() || !field->key.empty()) {
    out += "to say otherwise: ";
    if (!field->flag.empty()) out += std::string(field->flag);
    if (!field->key.empty())
      out += fmt::format("{}{} in slipway.toml", field->flag.empty() ? "" : ", or ", field->key);
    out += '\n';
  }
  return out;
}

}  // namespace slipway
