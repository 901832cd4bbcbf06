#include "engine/shim_job.h"

#include <boost/json.hpp>

namespace slipway {
namespace {

namespace json = boost::json;

json::array strings(const auto& items) {
  json::array out;
  for (const auto& item : items) out.emplace_back(std::string(item));
  return out;
}

// Reads one document of ours. A wrong shape means that the file is damaged, not that a user erred.
template <class Read>
auto decode(std::string_view text, const char* what, Read read)
    -> Result<std::invoke_result_t<Read, const json::object&>> {
  json::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return fail(Errc::corrupt, fmt::format("{} is damaged", what));
  try {
    return read(value.as_object());
  } catch (const std::exception& e) {  // Boost.JSON's accessors throw
    return fail(Errc::corrupt, fmt::format("{} is damaged: {}", what, e.what()));
  }
}

std::string text_of(const json::object& object, std::string_view key) {
  return std::string(object.at(key).as_string());
}
template <class T>
T number_of(const json::object& object, std::string_view key) {
  return object.at(key).to_number<T>();
}

std::string_view kind_name(ShimJob::Kind kind) {
  return kind == ShimJob::Kind::step ? "step" : "instance";
}
ShimJob::Kind kind_of(const json::object& object) {
  return text_of(object, "kind") == "step" ? ShimJob::Kind::step : ShimJob::Kind::instance;
}

std::string_view access_name(BindMount::Access access) {
  if (access == BindMount::Access::read_write) return "write";
  return access == BindMount::Access::read_only_layer ? "layer" : "read";
}
BindMount::Access access_of(const json::object& object) {
  const std::string name = text_of(object, "access");
  if (name == "write") return BindMount::Access::read_write;
  return name == "layer" ? BindMount::Access::read_only_layer : BindMount::Access::read_only;
}

}  // namespace

std::string encode(const ShimJob& job) {
  json::array binds;
  for (const BindMount& bind : job.root.binds)
    binds.push_back({{"source", bind.source.string()},
                     {"target", bind.target},
                     {"access", access_name(bind.access)},
                     {"link", bind.link},
                     {"link_to", bind.link_to}});
  json::object out{{"kind", kind_name(job.kind)},
                   {"id", job.id},
                   {"directory", job.directory},
                   {"runtime", job.runtime},
                   {"runtime_root", job.runtime_root},
                   {"cgroup_mount", job.cgroup_mount},
                   {"cgroup", job.cgroup},
                   {"oci_config", job.oci_config},
                   {"stage", job.stage},
                   {"id_base", job.id_base},
                   {"base", job.root.base == SandboxRoot::Base::layers ? "layers" : "host"},
                   {"lowers", strings(job.root.lowers)},
                   {"upper", job.root.upper.string()},
                   {"binds", std::move(binds)},
                   {"blank_image", job.blank_image},
                   {"work", job.work},
                   {"hostname", job.hostname},
                   {"engine_lock", job.engine_lock},
                   {"orphan_check", job.orphan_check.count()},
                   {"log_directory", job.log_directory},
                   {"log_limit_bytes", job.log_limit_bytes}};
  if (job.network)
    out["network"] = json::object{{"host_device", job.network->host_device},
                                  {"address", job.network->address},
                                  {"gateway", job.network->gateway}};
  return json::serialize(out);
}

Result<ShimJob> decode_shim_job(std::string_view text) {
  return decode(text, "the shim's job", [](const json::object& in) {
    ShimJob job;
    job.kind = kind_of(in);
    job.id = text_of(in, "id");
    job.directory = text_of(in, "directory");
    job.runtime = text_of(in, "runtime");
    job.runtime_root = text_of(in, "runtime_root");
    job.cgroup_mount = text_of(in, "cgroup_mount");
    job.cgroup = text_of(in, "cgroup");
    job.oci_config = text_of(in, "oci_config");
    job.stage = text_of(in, "stage");
    job.id_base = number_of<std::uint32_t>(in, "id_base");
    if (text_of(in, "base") == "layers") job.root.base = SandboxRoot::Base::layers;
    for (const json::value& lower : in.at("lowers").as_array())
      job.root.lowers.emplace_back(std::string(lower.as_string()));
    job.root.upper = text_of(in, "upper");
    for (const json::value& value : in.at("binds").as_array()) {
      const json::object& bind = value.as_object();
      job.root.binds.push_back({.source = text_of(bind, "source"),
                                .target = text_of(bind, "target"),
                                .access = access_of(bind),
                                .link = text_of(bind, "link"),
                                .link_to = text_of(bind, "link_to")});
    }
    job.blank_image = text_of(in, "blank_image");
    job.work = text_of(in, "work");
    job.hostname = text_of(in, "hostname");
    job.engine_lock = text_of(in, "engine_lock");
    job.orphan_check = Duration{number_of<Duration::rep>(in, "orphan_check")};
    job.log_directory = text_of(in, "log_directory");
    job.log_limit_bytes = number_of<std::uint64_t>(in, "log_limit_bytes");
    if (const json::value* network = in.if_contains("network")) {
      const json::object& n = network->as_object();
      job.network = NetworkJob{text_of(n, "host_device"), number_of<std::uint32_t>(n, "address"),
                               number_of<std::uint32_t>(n, "gateway")};
    }
    return job;
  });
}

std::string encode(const ShimReport& report) {
  json::object out{{"init_pid", report.init_pid}};
  if (report.error)
    out["error"] = json::object{{"code", info(report.error->code).name},
                                {"message", report.error->message},
                                {"hint", report.error->hint}};
  return json::serialize(out);
}

Result<ShimReport> decode_shim_report(std::string_view text) {
  return decode(text, "the shim's report", [](const json::object& in) {
    ShimReport report{.error = std::nullopt, .init_pid = number_of<int>(in, "init_pid")};
    if (const json::value* value = in.if_contains("error")) {
      const json::object& error = value->as_object();
      report.error = Error{.code = errc_from_name(text_of(error, "code")),
                           .message = text_of(error, "message"),
                           .hint = text_of(error, "hint")};
    }
    return report;
  });
}

std::string encode(const SandboxMeta& meta) {
  json::array labels;
  for (const auto& [key, value] : meta.labels) labels.push_back(json::array{key, value});
  return json::serialize(json::object{{"kind", kind_name(meta.kind)},
                                      {"id", meta.id},
                                      {"owner", meta.owner},
                                      {"cgroup", meta.cgroup},
                                      {"work", meta.work},
                                      {"network_slot", meta.network_slot},
                                      {"stop_signal", meta.stop_signal},
                                      {"init", meta.init == SandboxMeta::Init::ours},
                                      {"labels", std::move(labels)}});
}

Result<SandboxMeta> decode_sandbox_meta(std::string_view text) {
  return decode(text, "a sandbox's record", [](const json::object& in) {
    SandboxMeta meta;
    meta.kind = kind_of(in);
    meta.id = text_of(in, "id");
    if (in.contains("owner")) meta.owner = text_of(in, "owner");
    meta.cgroup = text_of(in, "cgroup");
    meta.work = text_of(in, "work");
    meta.network_slot = number_of<int>(in, "network_slot");
    if (in.contains("stop_signal")) meta.stop_signal = number_of<int>(in, "stop_signal");
    if (in.contains("init") && in.at("init").as_bool()) meta.init = SandboxMeta::Init::ours;
    for (const json::value& label : in.at("labels").as_array())
      meta.labels.emplace_back(std::string(label.as_array().at(0).as_string()),
                               std::string(label.as_array().at(1).as_string()));
    return meta;
  });
}

std::string encode(const ProcessRecord& record) {
  return json::serialize(json::object{{"shim_pid", record.shim_pid},
                                      {"shim_start", record.shim_start},
                                      {"init_pid", record.init_pid},
                                      {"init_start", record.init_start}});
}

Result<ProcessRecord> decode_process_record(std::string_view text) {
  return decode(text, "a sandbox's process record", [](const json::object& in) {
    return ProcessRecord{number_of<int>(in, "shim_pid"), number_of<std::uint64_t>(in, "shim_start"),
                         number_of<int>(in, "init_pid"),
                         number_of<std::uint64_t>(in, "init_start")};
  });
}

std::string encode(const ExitRecord& record) {
  return json::serialize(json::object{{"code", record.exit.code},
                                      {"signal", record.exit.signal},
                                      {"out_of_memory", record.exit.out_of_memory},
                                      {"cpu_micros", record.usage.cpu_micros},
                                      {"memory_peak_bytes", record.usage.memory_peak_bytes},
                                      {"oom_kills", record.usage.oom_kills}});
}

Result<ExitRecord> decode_exit_record(std::string_view text) {
  return decode(text, "a sandbox's exit record", [](const json::object& in) {
    ExitRecord record;
    record.exit = {number_of<int>(in, "code"), number_of<int>(in, "signal"),
                   in.at("out_of_memory").as_bool()};
    record.usage.cpu_micros = number_of<std::uint64_t>(in, "cpu_micros");
    record.usage.memory_peak_bytes = number_of<std::uint64_t>(in, "memory_peak_bytes");
    record.usage.oom_kills = number_of<std::uint64_t>(in, "oom_kills");
    return record;
  });
}

}  // namespace slipway
