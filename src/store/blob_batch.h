#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// A directory for unfinished files, beside what they will become. It is held by a lock for as long
// as this process lives, so that others can tell it from what a killed process left. Thread-safe.
class Scratch {
 public:
  // Removes abandoned ones below `parent`, then makes a fresh one there.
  [[nodiscard]] static Result<Scratch> create(const std::filesystem::path& parent);
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // A name that no other call on this object returned.
  [[nodiscard]] std::string fresh_name();

 private:
  Scratch(std::filesystem::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::filesystem::path path_;
  Fd fd_;
  std::atomic<std::uint64_t> next_{0};
};

// The relative name of a blob below "<root>/blobs": "a/<hex>".
[[nodiscard]] std::string blob_name(const Digest& digest);

// Files on their way into the store: written one after the other, then made durable and visible
// together. What is not published is removed. Not thread-safe; `scratch` and `blobs` (a descriptor
// of "<root>/blobs") must outlive it.
class BlobBatch {
 public:
  BlobBatch(Scratch& scratch, int blobs) : scratch_(scratch), blobs_(blobs) {}
  BlobBatch(const BlobBatch&) = delete;
  BlobBatch& operator=(const BlobBatch&) = delete;
  ~BlobBatch();

  // One file: begin, write..., end.
  [[nodiscard]] Status begin(unsigned mode);
  [[nodiscard]] Status write(std::string_view bytes);
  // `name` is where it will be, relative to the blobs.
  [[nodiscard]] Status end(std::string name);

  // On return all are durable and visible. A name that exists already stays as it is.
  [[nodiscard]] Status publish();

 private:
  struct File {
    std::string temporary, name;
  };
  [[nodiscard]] Status sync_files() const;

  Scratch& scratch_;
  int blobs_;
  Fd open_;
  std::string buffer_;
  std::vector<File> files_;  // the last has no name while it is open
};

}  // namespace slipway
