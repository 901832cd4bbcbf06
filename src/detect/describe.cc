#include "detect/describe.h"

#include <fmt/format.h>

#include "base/text.h"

namespace slipway {
namespace {

std::string place(const std::string& file, int line) {
  if (file.empty()) return {};
  return sanitize_line(line > 0 ? fmt::format("{}:{}", file, line) : file);
}

void row(std::string& out, std::string_view label, const std::string& value) {
  if (!value.empty()) out += fmt::format("  {:<10} {}\n", label, sanitize_line(value));
}

std::string headline(const Service& service) {
  std::string text = service.framework.empty() ? service.provider : service.framework;
  if (!service.framework.empty() && service.provider != service.framework)
    text += " (" + service.provider + ")";
  if (!service.root.empty()) text += " in " + service.root;
  if (service.kind == "worker" || service.kind == "cron") text += ", a " + service.kind;
  if (service.is_static) text += ", static";
  return text;
}

std::string runtime(const Service& service) {
  const RuntimeNeed& need = service.runtime;
  if (need.name.empty() || service.provider == "static") return {};
  const std::string version = need.version.empty() ? std::string("any version") : need.version;
  return need.source == "default" ? fmt::format("{}, {}", need.name, version)
                                  : fmt::format("{} {} ({})", need.name, version, need.source);
}

std::string environment(const Service& service) {
  std::vector<std::string> names;
  for (const EnvNeed& need : service.env) {
    std::string text = need.name;
    if (need.required)
      text += " (required)";
    else if (need.default_value && need.kind != "secret")
      text += "=" + *need.default_value;
    names.push_back(std::move(text));
  }
  return join(names, ", ");
}

void describe_service(std::string& out, const Service& service) {
  out += fmt::format("{}: {}, {:.0f} % sure\n", sanitize_line(service.name),
                     sanitize_line(headline(service)), service.confidence * 100);
  row(out, "runtime", runtime(service));
  row(out, "install", service.install.value_or(""));
  row(out, "build", service.build.value_or(""));
  row(out, "release", service.release.value_or(""));
  row(out, "start", service.start.value_or(""));
  if (service.is_static && service.output_dir)
    row(out, "serves",
        *service.output_dir + (service.fallback == StaticFallback::single_page_app
                                   ? " (unknown paths get index.html)"
                                   : ""));
  if (service.port) row(out, "port", std::to_string(*service.port));
  if (!service.is_static && service.kind == "web") row(out, "health", service.health_path);
  if (service.kind == "cron")
    row(out, "schedule",
        (service.schedule.empty() ? std::string("nothing says when") : service.schedule) +
            (service.cron_path.empty() ? "" : ", requests " + service.cron_path));
  row(out, "env", environment(service));
  row(out, "talks to", join(service.needs, ", "));
  for (const Wire& wire : service.wires)
    row(out, "wired", fmt::format("{} = {} of {}", wire.env, wire.value, wire.service));
  for (const Proxy& proxy : service.proxies)
    row(out, "passes on", fmt::format("{} to {}", proxy.path, proxy.service));
  row(out, "databases", join(service.databases, ", "));
  row(out, "volumes", join(service.volumes, ", "));
  row(out, "packages", join(service.system_packages, ", "));
  if (service.evidence.empty()) return;
  out += "  because\n";
  for (const Evidence& evidence : service.evidence)
    out += fmt::format("    {:<28} {}\n", place(evidence.file, evidence.line),
                       sanitize_line(evidence.fact));
}

}  // namespace

std::string describe(const Plan& plan) {
  std::string out;
  if (plan.services.empty()) out += "Nothing to run was found.\n";
  for (const Service& service : plan.services) {
    if (!out.empty()) out += '\n';
    describe_service(out, service);
  }
  if (!plan.questions.empty()) out += "\nquestions\n";
  for (const Question& question : plan.questions)
    out += fmt::format("  {} Taken: {}. Otherwise: {}\n", sanitize_line(question.text),
                       sanitize_line(question.default_choice), sanitize_line(question.flag));
  if (!plan.warnings.empty()) out += "\nwarnings\n";
  for (const Warning& warning : plan.warnings) {
    const std::string where = place(warning.file, warning.line);
    out +=
        fmt::format("  {}{}{}\n", where, where.empty() ? "" : ": ", sanitize_line(warning.message));
    if (!warning.fix.empty()) out += fmt::format("    fix: {}\n", sanitize_line(warning.fix));
  }
  if (!plan.candidates.empty()) out += "\nnot taken\n";
  for (const Candidate& candidate : plan.candidates) {
    std::string name = candidate.framework.empty() ? candidate.provider : candidate.framework;
    if (!candidate.root.empty()) name += (name.empty() ? "" : " in ") + candidate.root;
    out += fmt::format("  {}: {}\n", sanitize_line(name), sanitize_line(candidate.reason));
  }
  return out;
}

}  // namespace slipway
