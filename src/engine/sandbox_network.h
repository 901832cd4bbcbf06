#pragma once

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

  // A free slot. Errors: unavailable when all 4,094 are taken.
  [[nodiscard]] Result<int> take();
  // Marks a slot of an adopted sandbox.
  void adopt(int slot);
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
  std::string nft_;     // the program
  std::uint32_t base_;  // first address of the block
  std::unique_ptr<DnsForwarder> dns_;
  Mutex mutex_;
  std::set<int> taken_ SLIPWAY_GUARDED_BY(mutex_);
  int next_ SLIPWAY_GUARDED_BY(mutex_) = 0;
};

// The rules for one block, as a script for nft(8); pure, for tests and for people who wonder.
[[nodiscard]] std::string filter_rules(int block, std::uint32_t gateway,
                                       const std::vector<std::uint32_t>& registries);

}  // namespace slipway
