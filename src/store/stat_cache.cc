#include "store/stat_cache.h"

#include <fcntl.h>
#include <stdlib.h>  // mkostemp

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sys/files.h"

namespace slipway {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view magic = "slipway-stat-1\n";
constexpr std::size_t digest_bytes = 32;
constexpr std::size_t fixed_entry_bytes = 4 * 8 + 4 + digest_bytes + 4;
constexpr std::size_t max_cache_bytes = 256ull << 20;

template <class Integer>
void put(std::string& out, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
}

template <class Integer>
Integer take(std::string_view& in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    value |= std::uint64_t{static_cast<unsigned char>(in[i])} << (8 * i);
  in.remove_prefix(sizeof(Integer));
  return static_cast<Integer>(value);
}

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

FileStamp stamp_of(const struct stat& info) {
  return {.size = static_cast<std::uint64_t>(info.st_size),
          .inode = info.st_ino,
          .mtime_ns = nanoseconds(info.st_mtim),
          .ctime_ns = nanoseconds(info.st_ctim),
          .executable = (info.st_mode & S_IXUSR) != 0 ? 1u : 0u};
}

std::string StatCache::to_bytes() const {
  std::string out(magic);
  out.reserve(magic.size() + entries.size() * (fixed_entry_bytes + 48) + digest_bytes);
  for (const Entry& entry : entries) {
    put(out, entry.stamp.size);
    put(out, entry.stamp.inode);
    put(out, entry.stamp.mtime_ns);
    put(out, entry.stamp.ctime_ns);
    put(out, entry.stamp.executable);
    for (const std::uint8_t byte : entry.digest.bytes) out += static_cast<char>(byte);
    put(out, static_cast<std::uint32_t>(entry.path.size()));
    out += entry.path;
  }
  for (const std::uint8_t byte : sha256(out).bytes) out += static_cast<char>(byte);
  return out;
}

StatCache StatCache::parse(std::string_view bytes) {
  if (bytes.size() < magic.size() + digest_bytes || !bytes.starts_with(magic)) return {};
  const std::string_view checksum = bytes.substr(bytes.size() - digest_bytes);
  bytes.remove_suffix(digest_bytes);
  if (std::memcmp(sha256(bytes).bytes.data(), checksum.data(), digest_bytes) != 0) return {};
  bytes.remove_prefix(magic.size());
  StatCache cache;
  while (!bytes.empty()) {
    if (bytes.size() < fixed_entry_bytes) return {};
    Entry entry;
    entry.stamp.size = take<std::uint64_t>(bytes);
    entry.stamp.inode = take<std::uint64_t>(bytes);
    entry.stamp.mtime_ns = take<std::int64_t>(bytes);
    entry.stamp.ctime_ns = take<std::int64_t>(bytes);
    entry.stamp.executable = take<std::uint32_t>(bytes);
    std::memcpy(entry.digest.bytes.data(), bytes.data(), digest_bytes);
    bytes.remove_prefix(digest_bytes);
    const auto length = take<std::uint32_t>(bytes);
    if (length > bytes.size()) return {};
    entry.path = bytes.substr(0, length);
    bytes.remove_prefix(length);
    if (!cache.entries.empty() && entry.path <= cache.entries.back().path) return {};
    cache.entries.push_back(std::move(entry));
  }
  return cache;
}

StatCache StatCache::load(const fs::path& file) {
  const auto bytes = read_file(file, max_cache_bytes);
  return bytes ? parse(*bytes) : StatCache{};
}

Status replace_file(const fs::path& file, std::string_view bytes) {
  SLIPWAY_CHECK(make_directories(file.parent_path(), 0700));
  std::string temporary = file.string() + ".XXXXXX";
  const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return fail_errno(errno, "create " + temporary);
  Status written = write_all(fd.get(), bytes);
  if (written && ::rename(temporary.c_str(), file.c_str()) != 0)
    written = fail_errno(errno, "rename to " + file.string());
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace slipway
