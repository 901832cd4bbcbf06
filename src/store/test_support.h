#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/blob_store.h"
#include "sys/files.h"

namespace slipway::test {

// A directory for one test.
inline TempDir temp_dir() {
  auto made = TempDir::create(testing::TempDir(), "slipway-store-");
  if (!made) throw std::runtime_error(made.error().message);
  return *std::move(made);
}

inline void write(const std::filesystem::path& path, std::string_view bytes, unsigned mode = 0644) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  ASSERT_EQ(::chmod(path.c_str(), mode), 0) << path;
}

inline std::string slurp(const std::filesystem::path& path) {
  std::stringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

// Gives `bytes` in pieces of at most `piece`.
inline BlobStore::Reader reader_of(std::string bytes, std::size_t piece = 4096) {
  return [bytes = std::move(bytes), at = std::size_t{0},
          piece](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t size = std::min({bytes.size() - at, piece, into.size()});
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, into.begin());
    at += size;
    return size;
  };
}

inline PackItem item_of(std::string bytes) {
  const Digest digest = sha256(bytes);
  const std::uint64_t size = bytes.size();
  return {.digest = digest, .size = size, .read = reader_of(std::move(bytes))};
}

inline std::string pack_of(const std::vector<std::string>& contents) {
  std::vector<PackItem> items;
  for (const std::string& content : contents) items.push_back(item_of(content));
  std::string pack;
  const Status written = write_pack(items, [&](std::string_view bytes) -> Status {
    pack += bytes;
    return {};
  });
  EXPECT_TRUE(written.has_value()) << written.error().message;
  return pack;
}

inline std::vector<Digest> digests_of(const std::vector<std::string>& contents) {
  std::vector<Digest> out;
  for (const std::string& content : contents) out.push_back(sha256(content));
  return out;
}

// The visible blobs of a store, each checked against its name.
inline std::vector<Digest> verified_blobs(const std::filesystem::path& root) {
  std::vector<Digest> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "blobs")) {
    if (!entry.is_regular_file() || entry.path().string().find("/.tmp-") != std::string::npos)
      continue;
    const auto digest = Digest::parse(entry.path().stem().string());
    EXPECT_TRUE(digest.has_value()) << entry.path();
    if (!digest) continue;
    EXPECT_EQ(sha256(slurp(entry.path())), *digest) << entry.path();
    out.push_back(*digest);
  }
  return out;
}

// Mounts that no other process sees, undone at the end of the test. Not available to everybody:
// `why` says what is missing then.
class PrivateMounts {
 public:
  PrivateMounts() {
    if (::geteuid() != 0)
      why_ = "mounting needs root";
    else if (::unshare(CLONE_NEWNS) != 0 ||
             ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      why_ = std::string("no private mount namespace: ") + std::strerror(errno);
  }
  PrivateMounts(const PrivateMounts&) = delete;
  PrivateMounts& operator=(const PrivateMounts&) = delete;
  ~PrivateMounts() {
    for (auto target = targets_.rbegin(); target != targets_.rend(); ++target)
      ::umount2(target->c_str(), MNT_DETACH);
  }
  [[nodiscard]] const std::string& why() const { return why_; }

  [[nodiscard]] bool mount(const char* type, const std::filesystem::path& target,
                           const std::string& options) {
    if (::mount(type, target.c_str(), type, 0, options.c_str()) != 0) {
      why_ = std::string("mount ") + type + ": " + std::strerror(errno);
      return false;
    }
    targets_.push_back(target);
    return true;
  }
  void unmount() {
    ::umount2(targets_.back().c_str(), MNT_DETACH);
    targets_.pop_back();
  }

 private:
  std::string why_;
  std::vector<std::filesystem::path> targets_;
};

}  // namespace slipway::test
