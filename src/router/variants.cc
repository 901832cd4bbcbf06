#include "router/variants.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zstd.h>
#ifdef SLIPWAY_BROTLI
#include <brotli/encode.h>
#endif

#include "base/at_end.h"
#include "base/log.h"
#include "http/gzip.h"
#include "sys/files.h"

namespace slipway {
namespace {

constexpr std::size_t most_waiting = 4096;
constexpr std::uint64_t smallest = 1024, largest = 32u << 20;
constexpr int zstd_level = 12;  // better ones need a window that browsers refuse
constexpr int brotli_quality = 9;

std::atomic<std::int64_t>& slot(const SiteIndex::File& file, Coding coding) {
  return file.variants[static_cast<std::size_t>(coding)];
}

}  // namespace

bool can_make(Coding coding) {
#ifdef SLIPWAY_BROTLI
  (void)coding;
  return true;
#else
  return coding != Coding::brotli;
#endif
}

std::optional<std::string> compress(Coding coding, std::string_view bytes) {
  std::string out;
  switch (coding) {
    case Coding::gzip:
      return gzip(bytes);
    case Coding::zstd: {
      out.resize(ZSTD_compressBound(bytes.size()));
      const std::size_t size =
          ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), zstd_level);
      if (ZSTD_isError(size) != 0) return std::nullopt;
      out.resize(size);
      return out;
    }
    case Coding::brotli:
#ifdef SLIPWAY_BROTLI
    {
      std::size_t size = BrotliEncoderMaxCompressedSize(bytes.size());
      out.resize(size);
      if (BrotliEncoderCompress(brotli_quality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT,
                                bytes.size(), reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                &size, reinterpret_cast<std::uint8_t*>(out.data())) == BROTLI_FALSE)
        return std::nullopt;
      out.resize(size);
      return out;
    }
#else
      (void)brotli_quality;
      return std::nullopt;
#endif
  }
  return std::nullopt;
}

VariantMaker::~VariantMaker() { stop(); }

void VariantMaker::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  worker_.stop();
}

std::optional<std::uint64_t> VariantMaker::find(const std::shared_ptr<const SiteIndex>& site,
                                                const SiteIndex::File& file, Coding coding) {
  if (file.size < smallest || file.size > largest) return std::nullopt;
  std::int64_t known = slot(file, coding).load(std::memory_order_acquire);
  if (known > 0) return static_cast<std::uint64_t>(known);
  if (known != SiteIndex::variant_unknown) return std::nullopt;
  const MutexLock lock(mutex_);
  if (stopping_ || jobs_.size() >= most_waiting) return std::nullopt;
  // Without a thread there are no variants, until one is asked for again.
  if (!started_)
    started_ = worker_.start([this](const std::stop_token&) { return work(); }).has_value();
  if (!started_) return std::nullopt;
  if (!slot(file, coding).compare_exchange_strong(known, SiteIndex::variant_being_made))
    return std::nullopt;
  jobs_.push_back({site, &file, coding});
  worker_.wake();
  return std::nullopt;
}

std::optional<Duration> VariantMaker::work() {
  // Of this thread alone, on Linux.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), 10);
  for (;;) {
    Job job;
    {
      const MutexLock lock(mutex_);
      if (stopping_ || jobs_.empty()) return std::nullopt;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    make(job);
  }
}

void VariantMaker::make(const Job& job) {
  // Whatever happens, nobody waits for it any more.
  std::int64_t outcome = SiteIndex::variant_useless;
  const AtEnd tell([&] { slot(*job.file, job.coding).store(outcome, std::memory_order_release); });
  const std::filesystem::path path = job.site->variant_path(*job.file, job.coding);
  std::error_code error;
  if (const auto size = std::filesystem::file_size(path, error); !error && size > 0) {
    outcome = static_cast<std::int64_t>(size);  // made before a restart, or for another site
    return;
  }
  // By what is there, whatever the manifest says.
  const Result<std::string> bytes = read_file(job.site->blob_path(*job.file), largest + 1);
  if (!bytes || bytes->size() > largest) return;
  const std::optional<std::string> packed = compress(job.coding, *bytes);
  if (!packed || packed->size() + 64 >= bytes->size()) return;
  if (Status written = write_file_atomic(path, *packed); !written)
    return log_warn("a compressed variant was not kept", {{"error", written.error().message}});
  outcome = static_cast<std::int64_t>(packed->size());
}

}  // namespace slipway
