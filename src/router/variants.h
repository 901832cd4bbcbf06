#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/task_group.h"
#include "router/static_site.h"

namespace slipway {

// Whether this build can make the coding.
[[nodiscard]] bool can_make(Coding coding);
// `bytes` in the coding; nothing when that fails.
[[nodiscard]] std::optional<std::string> compress(Coding coding, std::string_view bytes);

// Makes compressed variants of static files, one at a time, on a thread of low priority, and keeps
// them beside the blobs. Thread-safe. The destructor drops what waits.
class VariantMaker {
 public:
  VariantMaker() = default;
  ~VariantMaker();
  VariantMaker(const VariantMaker&) = delete;
  VariantMaker& operator=(const VariantMaker&) = delete;

  // The variant's size if it is there. Otherwise sees to it that it will be, if it pays.
  [[nodiscard]] std::optional<std::uint64_t> find(const std::shared_ptr<const SiteIndex>& site,
                                                  const SiteIndex::File& file, Coding coding);
  void stop();

 private:
  struct Job {
    std::shared_ptr<const SiteIndex> site;  // keeps `file`
    const SiteIndex::File* file;
    Coding coding;
  };
  [[nodiscard]] std::optional<Duration> work();  // until nothing waits
  static void make(const Job& job);

  Mutex mutex_;
  std::deque<Job> jobs_ SLIPWAY_GUARDED_BY(mutex_);
  bool stopping_ SLIPWAY_GUARDED_BY(mutex_) = false;
  bool started_ SLIPWAY_GUARDED_BY(mutex_) = false;  // on first use
  Worker worker_{"compression"};                     // last: it uses the others
};

}  // namespace slipway
