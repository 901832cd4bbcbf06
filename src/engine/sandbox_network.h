#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "engine/dns_forwarder.h"
#include "engine/sandbox.h"
#include "engine/shim_job.h"
#include "sys/fd.h"

namespace slipway {

// Whether any sandbox of the engine with this state directory lives, whoever serves it.
[[nodiscard]] bool has_running_sandbox(const std::filesystem::path& state_dir);

// What sandboxes share of the host's network: a block of addresses, the packet filter (an nftables
// table of our own) and the name server. Each sandbox with egress gets one address of the block and
// a pair of devices; there is no route from one to another. Thread-safe.
class SandboxNetwork {
 public:
  // Claims a block (the same one as before for the same state directory), installs the filter,
  // starts the name server. Errors: failed_precondition with what is missing.
  [[nodiscard]] static Result<std::unique_ptr<SandboxNetwork>> open(const SandboxSettings& settings,
                                                                    const Clock& clock);
  ~SandboxNetwork();

  // A free slot, for a sandbox of this class. Errors: unavailable when all 4,094 are taken.
  [[nodiscard]] Result<int> take(WorkClass work);
  // Marks a slot of an adopted sandbox.
  void adopt(int slot, WorkClass work);
  // Removes the device, should it be left, and frees the slot. -1 is fine.
  void release(int slot);
  [[nodiscard]] NetworkJob job(int slot, Egress egress) const;

 private:
  SandboxNetwork(Fd claim, int block, std::uint32_t base)
      : claim_(std::move(claim)), block_(block), base_(base) {}
  [[nodiscard]] std::string device(int slot, Egress egress) const;
  [[nodiscard]] Status install(const SandboxSettings& settings);

  Fd claim_;  // locked while this server runs
  int block_;
  std::string nft_;                   // the program
  std::uint32_t base_;                // first address of the block
  static constexpr int slots = 4094;  // of a block of 4,096: not the first address, nor the gateway
  std::array<std::atomic<WorkClass>, slots> classes_{};
  std::unique_ptr<DnsForwarder> dns_;  // its thread reads classes_
  Mutex mutex_;
  std::set<int> taken_ SLIPWAY_GUARDED_BY(mutex_);
  int next_ SLIPWAY_GUARDED_BY(mutex_) = 0;
};

// One service of a host, over TCP.
struct RegistryAddress {
  std::uint32_t address = 0;
  std::uint16_t port = 0;
  auto operator<=>(const RegistryAddress&) const = default;
};

// The rules for one block, as a script for nft(8); pure, for tests and for people who wonder.
[[nodiscard]] std::string filter_rules(int block, std::uint32_t gateway,
                                       const std::vector<RegistryAddress>& registries);

}  // namespace slipway
