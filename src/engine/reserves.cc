#include "engine/reserves.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"

namespace slipway {
namespace {

// When there is not enough for all, whatever their numbers.
struct Share {
  const char* group;
  std::uint32_t weight;
};
constexpr Share shares[] = {{"slipway/production", 1000},
                            {"slipway/shared", 150},
                            {"slipway/shared/previews", 100},
                            {"slipway/shared/builds", 50}};

void report(const Status& done, const char* what, const std::string& group) {
  if (!done) log_warn(what, {{"group", group}, {"error", done.error().message}});
}

}  // namespace

std::string sandbox_group(std::string_view kind, std::string_view id) {
  const bool shared = kind == "previews" || kind == "builds";
  return fmt::format("slipway/{}{}/{}", shared ? "shared/" : "", kind, id);
}

WorkClass class_of_group(std::string_view group) {
  if (group.starts_with("slipway/production/")) return WorkClass::production;
  return group.starts_with("slipway/shared/builds/") ? WorkClass::build : WorkClass::preview;
}

int oom_score_of_group(std::string_view group) {
  return class_of_group(group) == WorkClass::production ? 300 : 700;
}

void reserve_for_production(const CgroupTree& groups, const MemoryReserves& memory) {
  for (const auto& [group, weight] : shares) {
    report(groups.set_cpu_weight(group, weight), "a share of the CPU was not set", group);
    // Many hosts have no I/O scheduler that weighs: not worth a warning at each start.
    if (Status set = groups.set_io_weight(group, weight); !set)
      log_debug("a share of the disk's time was not set",
                {{"group", group}, {"error", set.error().message}});
  }
  const std::uint64_t total = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                              static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t reserve = total / 100 * memory.production;
  report(
      groups.set_memory_limit("slipway", memory.host == 0 ? 0 : total - total / 100 * memory.host),
      "memory was not reserved for the server", "slipway");
  report(groups.set_memory_limit("slipway/shared", memory.production == 0 ? 0 : total - reserve),
         "memory was not reserved for production", "slipway/shared");
  if (groups.layout() == CgroupLayout::v2)
    report(groups.protect_memory("slipway/production", reserve),
           "production's memory is not protected", "slipway/production");
}

}  // namespace slipway
