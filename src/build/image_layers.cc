#include "build/image_layers.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <map>
#include <memory>

#include "base/digest.h"
#include "sys/files.h"
#include "sys/mounts.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::size_t most_index = 64u << 20, most_layers = 120;
constexpr int most_depth = 200;
constexpr std::uint32_t most_id = 65'535;

bool is_hex_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What open_beneath() found, opened for reading. The descriptor says what it is, whatever its name
// is by now.
Result<Fd> reopened(const Fd& found, int flags) {
  return open_file(fmt::format("/proc/self/fd/{}", found.get()), flags);
}

Result<json::array> read_index(const Fd& root, const char* name) {
  SLIPWAY_TRY(const Fd found, open_beneath(root, name));
  struct stat info{};
  if (::fstat(found.get(), &info) != 0) return fail_errno(errno, name);
  if (!S_ISREG(info.st_mode)) return fail(Errc::corrupt, fmt::format("{} is no file", name));
  SLIPWAY_TRY(const std::string text,
              read_file(fmt::format("/proc/self/fd/{}", found.get()), most_index));
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_array()) return fail(Errc::corrupt, fmt::format("{} is damaged", name));
  return std::move(value.get_array());
}

std::string text_at(const json::value& value, std::string_view name) {
  const json::object* object = value.if_object();
  const json::value* member = object == nullptr ? nullptr : object->if_contains(name);
  return member != nullptr && member->is_string() ? std::string(member->get_string())
                                                  : std::string();
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Walks one layer. Both sides by descriptor: nobody changes them meanwhile, but what is there was
// made by strangers.
class Extractor {
 public:
  Extractor(ImageStorage::Files files, fs::path target)
      : files_(files), target_(std::move(target)) {}

  // `at` is where `to` lies below the target.
  Status directory(const Fd& from, const Fd& to, const fs::path& at, int depth) {
    if (depth > most_depth) return fail(Errc::corrupt, "the image's directories nest too deeply");
    const int copy = ::fcntl(from.get(), F_DUPFD_CLOEXEC, 0);
    const std::unique_ptr<DIR, CloseDirectory> listing(copy < 0 ? nullptr : ::fdopendir(copy));
    if (!listing) return fail_errno(errno, "read a directory of the image");
    while (const dirent* entry = ::readdir(listing.get())) {
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      SLIPWAY_CHECK(this->entry(from, to, at / name, depth));
    }
    return {};
  }

  // Ownership, mode and times of what `to` is; not of links.
  static Status dress(const Fd& to, const struct stat& info) {
    if (::fchown(to.get(), info.st_uid, info.st_gid) != 0 ||
        ::fchmod(to.get(), info.st_mode & 07777) != 0)
      return fail_errno(errno, "set the owner of an image's file");
    const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
    ::futimens(to.get(), times.data());
    return {};
  }

 private:
  Status entry(const Fd& from, const Fd& to, const fs::path& path, int depth) {
    const std::string name = path.filename().string();
    struct stat info{};
    if (::fstatat(from.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno(errno, "stat " + name);
    if (info.st_uid > most_id || info.st_gid > most_id)
      return fail(Errc::build_failed,
                  fmt::format("{} of the image belongs to id {}, and a sandbox has 0 to {}", name,
                              std::max(info.st_uid, info.st_gid), most_id),
                  "chown it to a smaller id in the Dockerfile");
    if (S_ISDIR(info.st_mode)) return subdirectory(from, to, path, info, depth);
    if (files_ == ImageStorage::Files::linked && (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) &&
        ::linkat(from.get(), name.c_str(), to.get(), name.c_str(), 0) == 0)
      return {};
    if (S_ISLNK(info.st_mode)) return link(from, to, name, info);
    if (S_ISREG(info.st_mode)) return file(from, to, path, info);
    const bool whiteout = S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
    if (!whiteout && !S_ISFIFO(info.st_mode)) return {};  // no devices, no sockets
    if (::mknodat(to.get(), name.c_str(), whiteout ? S_IFCHR : S_IFIFO | (info.st_mode & 07777),
                  0) != 0)
      return fail_errno(errno, "make " + name);
    return whiteout ? Status() : owned(to, name, info);
  }

  Status owned(const Fd& to, const std::string& name, const struct stat& info) {
    if (::fchownat(to.get(), name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno(errno, "chown " + name);
    const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
    ::utimensat(to.get(), name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
    return {};
  }

  Status subdirectory(const Fd& from, const Fd& to, const fs::path& path, const struct stat& info,
                      int depth) {
    const std::string name = path.filename().string();
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    const Fd inner(::openat(from.get(), name.c_str(), flags));
    if (!inner.valid()) return fail_errno(errno, "open " + name);
    if (::mkdirat(to.get(), name.c_str(), 0700) != 0) return fail_errno(errno, "mkdir " + name);
    const Fd made(::openat(to.get(), name.c_str(), flags));
    if (!made.valid()) return fail_errno(errno, "open " + name);
    for (const char* mark : {"user.overlay.opaque", "trusted.overlay.opaque"}) {
      char value = 0;
      if (::fgetxattr(inner.get(), mark, &value, 1) == 1 && value == 'y' &&
          ::fsetxattr(made.get(), "trusted.overlay.opaque", "y", 1, 0) != 0)
        return fail_errno(errno, "mark " + name + " as opaque");
    }
    SLIPWAY_CHECK(directory(inner, made, path, depth + 1));
    return dress(made, info);
  }

  Status link(const Fd& from, const Fd& to, const std::string& name, const struct stat& info) {
    std::array<char, 4097> target{};
    const ssize_t n = ::readlinkat(from.get(), name.c_str(), target.data(), target.size() - 1);
    if (n < 0) return fail_errno(errno, "readlink " + name);
    if (::symlinkat(target.data(), to.get(), name.c_str()) != 0)
      return fail_errno(errno, "link " + name);
    return owned(to, name, info);
  }

  Status file(const Fd& from, const Fd& to, const fs::path& path, const struct stat& info) {
    const std::string name = path.filename().string();
    // One file with several names stays one.
    fs::path& first = first_names_[{info.st_dev, info.st_ino}];
    if (!first.empty() &&
        ::linkat(AT_FDCWD, (target_ / first).c_str(), to.get(), name.c_str(), 0) == 0)
      return {};
    first = path;
    const Fd source(::openat(from.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!source.valid()) return fail_errno(errno, "open " + name);
    Fd made(::openat(to.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0600));
    if (!made.valid()) return fail_errno(errno, "create " + name);
    for (;;) {
      const ssize_t n =
          ::copy_file_range(source.get(), nullptr, made.get(), nullptr, std::size_t{1} << 30, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno(errno, "copy " + name);
      if (n == 0) break;
    }
    return dress(made, info);
  }

  ImageStorage::Files files_;
  fs::path target_;
  std::map<std::pair<dev_t, ino_t>, fs::path> first_names_;
};

}  // namespace

Result<ImageStorage> ImageStorage::open(const fs::path& directory) {
  ImageStorage out;
  out.path_ = directory;
  SLIPWAY_TRY(out.root_, open_file(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  const Result<json::array> rows = read_index(out.root_, "overlay-layers/layers.json");
  if (!rows && rows.error().code == Errc::not_found) return out;
  if (!rows) return fail(rows.error());
  for (const json::value& row : *rows) {
    Layer layer{text_at(row, "id"), text_at(row, "parent"), text_at(row, "diff-digest")};
    if (is_hex_id(layer.id) && (layer.parent.empty() || is_hex_id(layer.parent)))
      out.layers_.push_back(std::move(layer));
  }
  return out;
}

Result<std::string> ImageStorage::top_layer(std::string_view image) const {
  if (image.starts_with("sha256:")) image.remove_prefix(7);
  SLIPWAY_TRY(const json::array rows, read_index(root_, "overlay-images/images.json"));
  for (const json::value& row : rows) {
    if (text_at(row, "id") != image) continue;
    std::string layer = text_at(row, "layer");
    if (layer.empty() || is_hex_id(layer)) return layer;
    return fail(Errc::corrupt, "the image names a layer that is none");
  }
  return fail(Errc::not_found, "the image is not in its storage");
}

const ImageStorage::Layer* ImageStorage::find(std::string_view id) const {
  const auto found = std::ranges::find(layers_, id, &Layer::id);
  return found == layers_.end() ? nullptr : &*found;
}

Status ImageStorage::extract(std::string_view id, const fs::path& target, Files files) const {
  if (!is_hex_id(id)) return fail(Errc::corrupt, "a layer of the image has no proper name");
  SLIPWAY_TRY(const Fd found, open_beneath(root_, fmt::format("overlay/{}/diff", id)));
  SLIPWAY_TRY(const Fd from, reopened(found, O_RDONLY | O_DIRECTORY));
  SLIPWAY_TRY(const Fd to, open_file(target, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat info{};
  if (::fstat(from.get(), &info) != 0) return fail_errno(errno, "stat a layer");
  Extractor extractor(files, target);
  SLIPWAY_CHECK(extractor.directory(from, to, {}, 0));
  if (info.st_uid > most_id || info.st_gid > most_id) info.st_uid = info.st_gid = 0;
  return Extractor::dress(to, info);
}

Result<std::vector<std::string>> import_image(std::string_view image, std::string_view owner,
                                              const ImageStorage& project,
                                              const std::vector<ImageStorage>& bases,
                                              const LayerStore& layers) {
  SLIPWAY_TRY(std::string next, project.top_layer(image));
  std::vector<std::string> out;
  LayerStore store = layers;
  while (!next.empty()) {
    if (out.size() == most_layers)
      return fail(Errc::build_failed, fmt::format("the image has more than {} layers", most_layers),
                  "join RUN and COPY instructions of its Dockerfile");
    const ImageStorage* from = nullptr;
    auto files = ImageStorage::Files::linked;
    for (const ImageStorage& base : bases)
      if (from == nullptr && base.find(next) != nullptr) from = &base;
    if (from == nullptr && project.find(next) != nullptr) {
      from = &project;
      files = ImageStorage::Files::copied;
    }
    if (from == nullptr) return fail(Errc::corrupt, "a layer of the image is not in its storage");
    const ImageStorage::Layer& layer = *from->find(next);
    Sha256 hash;
    hash.field("image").field("1").field(from == &project ? owner : std::string_view("base"));
    hash.field(layer.id).field(layer.digest);
    const std::string id = fmt::format("image-{}", hash.finish().hex().substr(0, 40));
    if (!store.find(id)) {
      SLIPWAY_TRY(auto draft, store.begin(id));
      SLIPWAY_CHECK(from->extract(layer.id, draft.path(), files));
      SLIPWAY_CHECK(draft.commit());
    }
    out.push_back(id);
    next = layer.parent;
  }
  std::ranges::reverse(out);
  return out;
}

}  // namespace slipway
