#include "build/wired_files.h"

#include <algorithm>

#include "model/wires.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t largest = 16u << 20;

}  // namespace

std::vector<std::string> wired_files(const Manifest& site, const BlobStore& blobs) {
  std::vector<std::string> found;
  for (const ManifestEntry& entry : site.entries)
    if (entry.size <= largest)
      if (const auto text = blobs.read(entry.digest, largest);
          text && text->find(wire_domain) != std::string::npos)
        found.push_back(entry.path);
  return found;
}

std::vector<std::string> wired_files(const fs::path& directory) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::recursive_directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_directory(error) && at->path().filename() == "node_modules")
      at.disable_recursion_pending();
    if (at->is_symlink(error) || !at->is_regular_file(error)) continue;
    if (const auto size = at->file_size(error); error || size > largest) continue;
    if (const auto text = read_file(at->path(), largest);
        text && text->find(wire_domain) != std::string::npos)
      found.push_back(at->path().lexically_relative(directory).string());
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace slipway
