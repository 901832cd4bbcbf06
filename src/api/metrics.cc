#include "api/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <sstream>

#include "sys/files.h"

namespace slipway {
namespace {

prometheus::MetricFamily family(std::string name, std::string help, prometheus::MetricType type) {
  return {.name = std::move(name), .help = std::move(help), .type = type, .metric = {}};
}

prometheus::MetricFamily counter(std::string name, std::string help, std::uint64_t value) {
  auto out = family(std::move(name), std::move(help), prometheus::MetricType::Counter);
  out.metric.emplace_back().counter.value = static_cast<double>(value);
  return out;
}

prometheus::MetricFamily gauge(std::string name, std::string help, std::uint64_t value) {
  auto out = family(std::move(name), std::move(help), prometheus::MetricType::Gauge);
  out.metric.emplace_back().gauge.value = static_cast<double>(value);
  return out;
}

// Resident memory of this process in bytes; proc(5), statm.
std::uint64_t resident_bytes() {
  const auto text = read_file("/proc/self/statm", 256);
  if (!text) return 0;
  std::istringstream fields(*text);
  std::uint64_t size = 0, resident = 0;
  fields >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string metrics_text(const Router::Counters& router, const Fleet::Counts& fleet,
                         const Pipeline::Counts& pipeline, std::size_t routes) {
  std::vector<prometheus::MetricFamily> families{
      counter("slipway_router_requests_total", "Requests that the router answered",
              router.requests),
      counter("slipway_router_errors_total", "Answers with a status of 500 or above",
              router.errors_5xx),
      counter("slipway_router_received_bytes_total", "Bytes from clients", router.bytes_in),
      counter("slipway_router_sent_bytes_total", "Bytes to clients", router.bytes_out),
      gauge("slipway_router_connections", "Open client connections", router.connections),
      gauge("slipway_router_routes", "Host names that lead somewhere", routes),
      gauge("slipway_instances_running", "Instances that run", fleet.running),
      counter("slipway_instances_wakes_total", "Instances woken by a request", fleet.wakes),
      counter("slipway_instances_sleeps_total", "Instances put to sleep", fleet.sleeps),
      counter("slipway_instances_crashes_total", "Instances that ended by themselves",
              fleet.crashes),
      gauge("slipway_deploys_active", "Deployments being made", pipeline.active),
      gauge("slipway_deploys_queued", "Deployments waiting to be made", pipeline.queued),
      gauge("process_resident_memory_bytes", "Resident memory of the server", resident_bytes()),
  };
  auto outcomes =
      family("slipway_deploys_total", "Deployments settled", prometheus::MetricType::Counter);
  for (const auto& [outcome, count] :
       {std::pair{"ready", pipeline.succeeded}, std::pair{"failed", pipeline.failed},
        std::pair{"canceled", pipeline.canceled}}) {
    auto& metric = outcomes.metric.emplace_back();
    metric.label.push_back({"outcome", outcome});
    metric.counter.value = static_cast<double>(count);
  }
  families.push_back(std::move(outcomes));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace slipway
