#include "sys/directory.h"

namespace slipway {
namespace fs = std::filesystem;

std::vector<fs::directory_entry> entries_of(const fs::path& directory, std::error_code& error) {
  std::vector<fs::directory_entry> out;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error))
    out.push_back(*at);
  return out;
}

std::vector<fs::directory_entry> entries_of(const fs::path& directory) {
  std::error_code ignored;
  return entries_of(directory, ignored);
}

}  // namespace slipway
