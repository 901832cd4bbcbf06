#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace slipway {

// Apps' own SQLite databases, as files. Nothing here is about Slipway's.

// Whether a file that begins with these bytes, 16 at least, is an SQLite database.
inline constexpr std::string_view sqlite_magic("SQLite format 3\0", 16);
[[nodiscard]] inline bool begins_sqlite(std::string_view bytes) {
  return bytes.starts_with(sqlite_magic);
}

// A consistent copy of the database at `from`, whoever uses it meanwhile, as a new file `to`; what
// was not written back yet (its -wal) is in it. Both paths are opened as they are: where a hostile
// app may put links in the way, call it in a process that sees nothing else. Errors: unavailable
// when somebody keeps it locked for 10 s, corrupt, disk_full, io.
[[nodiscard]] Status copy_sqlite(const std::filesystem::path& from,
                                 const std::filesystem::path& to);

}  // namespace slipway
