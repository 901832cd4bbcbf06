#include "db/sqlite_copy.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <string_view>

namespace slipway {
namespace {

using Connection = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;

std::unexpected<Error> sqlite_error(int code, std::string_view what) {
  Errc kind = Errc::io;
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      kind = Errc::unavailable;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      kind = Errc::corrupt;
      break;
    case SQLITE_FULL:
      kind = Errc::disk_full;
      break;
    default:
      break;
  }
  return fail(kind, fmt::format("{}: {}", what, sqlite3_errstr(code)));
}

Result<Connection> open_at(const std::filesystem::path& path, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Connection connection(raw, &sqlite3_close_v2);
  if (code != SQLITE_OK) return sqlite_error(code, "open a database");
  sqlite3_busy_timeout(raw, 10'000);
  // Its contents are an app's: they are copied, never trusted.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  return connection;
}

}  // namespace

Status copy_sqlite(const std::filesystem::path& from, const std::filesystem::path& to) {
  SLIPWAY_TRY(const Connection source, open_at(from, SQLITE_OPEN_READWRITE));
  SLIPWAY_TRY(const Connection target,
              open_at(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE));
  sqlite3_backup* const backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
  if (backup == nullptr)
    return sqlite_error(sqlite3_extended_errcode(target.get()), "copy a database");
  // All at once: pages that others write between two steps would begin it anew.
  int code = SQLITE_OK;
  for (int tries = 0; tries < 50; ++tries) {
    code = sqlite3_backup_step(backup, -1);
    if (code != SQLITE_BUSY && code != SQLITE_LOCKED) break;
    sqlite3_sleep(200);
  }
  const int finished = sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return sqlite_error(code, "copy a database");
  if (finished != SQLITE_OK) return sqlite_error(finished, "copy a database");
  return {};
}

}  // namespace slipway
