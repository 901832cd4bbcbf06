#include "json/convert.h"
#include "json/json.h"
#include "json/reader.h"

namespace slipway {
namespace {

json::object to_json(const Evidence& evidence) {
  return {{"file", evidence.file},
          {"line", evidence.line},
          {"fact", evidence.fact},
          {"field", or_null(evidence.field)}};
}

Result<Evidence> evidence_from_json(const json::value& value) {
  Evidence out;
  JsonReader reader(value, "evidence");
  reader.read("file", out.file)
      .read("line", out.line)
      .read("fact", out.fact)
      .read("field", out.field);
  SLIPWAY_CHECK(reader.status());
  return out;
}

json::object to_json(const EnvNeed& need) {
  return {{"name", need.name},
          {"required", need.required},
          {"kind", need.kind},
          {"default", or_null(need.default_value)},
          {"evidence", need.evidence}};
}

Result<EnvNeed> env_need_from_json(const json::value& value) {
  EnvNeed out;
  JsonReader reader(value, "env");
  reader.read("name", out.name).read("required", out.required).read("kind", out.kind);
  reader.read("default", out.default_value).read("evidence", out.evidence);
  SLIPWAY_CHECK(reader.status());
  return out;
}

json::object to_json(const Wire& wire) {
  return {{"env", wire.env},
          {"service", wire.service},
          {"value", wire.value},
          {"when", wire.when},
          {"evidence", wire.evidence}};
}

Result<Wire> wire_from_json(const json::value& value) {
  Wire out;
  JsonReader reader(value, "wire");
  reader.read("env", out.env).read("service", out.service).read("value", out.value);
  reader.read("when", out.when).read("evidence", out.evidence);
  SLIPWAY_CHECK(reader.status());
  return out;
}

json::object to_json(const Proxy& proxy) {
  return {{"path", proxy.path},
          {"service", proxy.service},
          {"strip", proxy.strip},
          {"evidence", proxy.evidence}};
}

Result<Proxy> proxy_from_json(const json::value& value) {
  Proxy out;
  JsonReader reader(value, "proxy");
  reader.read("path", out.path).read("service", out.service).read("strip", out.strip);
  reader.read("evidence", out.evidence);
  SLIPWAY_CHECK(reader.status());
  return out;
}

json::object to_json(const Warning& warning) {
  return {{"code", warning.code},
          {"message", warning.message},
          {"file", or_null(warning.file)},
          {"line", warning.line},
          {"fix", warning.fix}};
}

Result<Service> service_from_json(const json::value& value) {
  Service out;
  JsonReader reader(value, "service");
  reader.require("provider").read("name", out.name).read("root", out.root).read("kind", out.kind);
  reader.read("schedule", out.schedule).read("cron_path", out.cron_path);
  reader.read("provider", out.provider).read("framework", out.framework);
  reader.read("package_manager", out.package_manager)
      .read("package_manager_version", out.package_manager_version);
  if (const json::value* runtime = reader.find("runtime");
      runtime != nullptr && !runtime->is_null()) {
    JsonReader inner(*runtime, "runtime");
    inner.read("name", out.runtime.name)
        .read("version", out.runtime.version)
        .read("source", out.runtime.source);
    SLIPWAY_CHECK(inner.status());
  }
  reader.read("install", out.install).read("build", out.build).read("start", out.start);
  reader.read("release", out.release)
      .read("install_inputs", out.install_inputs)
      .read("install_names_packages", out.install_names_packages);
  reader.read("output_dir", out.output_dir).read("static", out.is_static);
  std::string fallback;
  reader.read("fallback", fallback);
  if (fallback == "single_page_app") out.fallback = StaticFallback::single_page_app;
  reader.read("port", out.port).read("health_path", out.health_path);
  reader.read_each("env", out.env, env_need_from_json);
  reader.read("databases", out.databases).read("volumes", out.volumes);
  reader.read("needs_services", out.needs);
  reader.read_each("wires", out.wires, wire_from_json);
  reader.read_each("proxies", out.proxies, proxy_from_json);
  reader.read("system_packages", out.system_packages).read("cache_dirs", out.cache_dirs);
  reader.read_each("evidence", out.evidence, evidence_from_json).read("confidence", out.confidence);
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<Warning> warning_from_json(const json::value& value) {
  Warning out;
  JsonReader reader(value, "warning");
  reader.read("code", out.code).read("message", out.message).read("file", out.file);
  reader.read("line", out.line).read("fix", out.fix);
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<Question> question_from_json(const json::value& value) {
  Question out;
  JsonReader reader(value, "question");
  reader.read("id", out.id).read("text", out.text).read("choices", out.choices);
  reader.read("default", out.default_choice).read("flag", out.flag);
  SLIPWAY_CHECK(reader.status());
  return out;
}

Result<Candidate> candidate_from_json(const json::value& value) {
  Candidate out;
  JsonReader reader(value, "candidate");
  reader.read("provider", out.provider).read("framework", out.framework).read("root", out.root);
  reader.read("confidence", out.confidence).read("reason", out.reason);
  SLIPWAY_CHECK(reader.status());
  return out;
}

}  // namespace

json::object to_json(const Service& service) {
  return {{"name", service.name},
          {"root", service.root},
          {"kind", service.kind},
          {"schedule", or_null(service.schedule)},
          {"cron_path", or_null(service.cron_path)},
          {"provider", service.provider},
          {"framework", or_null(service.framework)},
          {"package_manager", or_null(service.package_manager)},
          {"package_manager_version", or_null(service.package_manager_version)},
          {"runtime", json::object{{"name", or_null(service.runtime.name)},
                                   {"version", or_null(service.runtime.version)},
                                   {"source", or_null(service.runtime.source)}}},
          {"install", or_null(service.install)},
          {"build", or_null(service.build)},
          {"start", or_null(service.start)},
          {"release", or_null(service.release)},
          {"install_inputs", to_array(service.install_inputs)},
          {"install_names_packages", service.install_names_packages},
          {"output_dir", or_null(service.output_dir)},
          {"static", service.is_static},
          {"fallback", service.fallback == StaticFallback::single_page_app ? "single_page_app"
                                                                           : "not_found_page"},
          {"port", or_null(service.port)},
          {"health_path", service.health_path},
          {"env", to_array(service.env, [](const EnvNeed& need) { return to_json(need); })},
          {"databases", to_array(service.databases)},
          {"volumes", to_array(service.volumes)},
          {"needs_services", to_array(service.needs)},
          {"wires", to_array(service.wires, [](const Wire& wire) { return to_json(wire); })},
          {"proxies", to_array(service.proxies, [](const Proxy& proxy) { return to_json(proxy); })},
          {"system_packages", to_array(service.system_packages)},
          {"cache_dirs", to_array(service.cache_dirs)},
          {"evidence",
           to_array(service.evidence, [](const Evidence& evidence) { return to_json(evidence); })},
          {"confidence", service.confidence}};
}

json::object to_json(const Plan& plan) {
  return {{"services",
           to_array(plan.services, [](const Service& service) { return to_json(service); })},
          {"warnings",
           to_array(plan.warnings, [](const Warning& warning) { return to_json(warning); })},
          {"findings", to_array(plan.warnings,
                                [](const Warning& warning) {
                                  json::object finding = to_json(warning);
                                  finding["rule"] = "detect/" + warning.code;
                                  return finding;
                                })},
          {"questions", to_array(plan.questions,
                                 [](const Question& question) {
                                   return json::object{{"id", question.id},
                                                       {"text", question.text},
                                                       {"choices", to_array(question.choices)},
                                                       {"default", question.default_choice},
                                                       {"flag", question.flag}};
                                 })},
          {"candidates", to_array(plan.candidates, [](const Candidate& candidate) {
             return json::object{{"provider", candidate.provider},
                                 {"framework", or_null(candidate.framework)},
                                 {"root", candidate.root},
                                 {"confidence", candidate.confidence},
                                 {"reason", candidate.reason}};
           })}};
}

Result<Plan> plan_from_json(const json::value& value) {
  Plan out;
  JsonReader reader(value, "plan");
  reader.read_each("services", out.services, service_from_json);
  reader.read_each("warnings", out.warnings, warning_from_json);
  reader.read_each("questions", out.questions, question_from_json);
  reader.read_each("candidates", out.candidates, candidate_from_json);
  SLIPWAY_CHECK(reader.status());
  return out;
}

}  // namespace slipway
