#include "db/connection.h"

#include <sqlite3.h>

#include <cerrno>
#include <utility>

namespace slipway {
namespace {

// More texts than the stores have; those made of words (a filter's) could be many.
constexpr std::size_t max_idle = 300;
constexpr int busy_ms = 5000;

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : home_(other.home_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() {
  if (statement_ != nullptr) home_->give_back(statement_);
}

Statement& Statement::bind(int position, std::string_view text) {
  // A null pointer would bind NULL; an empty view may hold one.
  sqlite3_bind_text(statement_, position, text.empty() ? "" : text.data(),
                    static_cast<int>(text.size()), SQLITE_TRANSIENT);
  return *this;
}

Statement& Statement::bind(int position, std::int64_t number) {
  sqlite3_bind_int64(statement_, position, number);
  return *this;
}

Statement& Statement::bind_null(int position) {
  sqlite3_bind_null(statement_, position);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(home_->error(sqlite3_sql(statement_)));
}

Status Statement::run() {
  SLIPWAY_TRY([[maybe_unused]] const bool row, step());
  return {};
}

Result<bool> Statement::changed() {
  SLIPWAY_TRY(const bool row, step());
  for (bool more = row; more;) {
    SLIPWAY_TRY(more, step());
  }
  return row;
}

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr
             ? std::string()
             : std::string(bytes,
                           static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}
bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& file, Use use) {
  sqlite3* handle = nullptr;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (use == Use::write ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Connection> connection(new Connection(handle));
  if (code != SQLITE_OK) return fail(connection->error("open " + file.string()));
  sqlite3_busy_timeout(handle, busy_ms);
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                             "PRAGMA foreign_keys=ON", "PRAGMA journal_size_limit=16777216"})
    if (use == Use::write) SLIPWAY_CHECK(connection->run_script(pragma));
  if (use == Use::read) SLIPWAY_CHECK(connection->run_script("PRAGMA query_only=ON"));
  return connection;
}

Connection::~Connection() {
  for (const auto& [text, statement] : idle_) sqlite3_finalize(statement);
  sqlite3_close_v2(handle_);
}

Result<Statement> Connection::prepare(std::string_view sql, Use use) {
  sqlite3_stmt* found = nullptr;
  if (const auto known = idle_.find(sql); known != idle_.end()) {
    found = known->second;
    idle_.erase(known);
  } else if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                SQLITE_PREPARE_PERSISTENT, &found, nullptr) != SQLITE_OK) {
    return fail(error(sql));
  }
  Statement statement(*this, found);
  if (use == Use::read && sqlite3_stmt_readonly(found) == 0)
    return fail(Errc::internal, fmt::format("database: written while reading: {}", sql));
  return statement;
}

void Connection::give_back(sqlite3_stmt* statement) {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (idle_.size() >= max_idle || !idle_.try_emplace(sqlite3_sql(statement), statement).second)
    sqlite3_finalize(statement);
}

Status Connection::execute(std::string_view sql, Use use) {
  SLIPWAY_TRY(Statement statement, prepare(sql, use));
  return statement.run();
}

Status Connection::run_script(std::string_view sql) {
  while (!sql.empty()) {
    sqlite3_stmt* one = nullptr;
    const char* rest = nullptr;
    if (sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &one, &rest) !=
        SQLITE_OK)
      return fail(error(sql));
    const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(one, sqlite3_finalize);
    for (int code = one == nullptr ? SQLITE_DONE : SQLITE_ROW; code != SQLITE_DONE;) {
      code = sqlite3_step(one);
      if (code != SQLITE_ROW && code != SQLITE_DONE) return fail(error(sqlite3_sql(one)));
    }
    sql.remove_prefix(static_cast<std::size_t>(rest - sql.data()));
  }
  return {};
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Error Connection::error(std::string_view what) const {
  Errc code = Errc::io;
  std::string hint;
  // SQLite calls some of these an I/O error: the file that connections share could not grow, say.
  const int number = sqlite3_system_errno(handle_);
  const int kind = sqlite3_errcode(handle_);
  if (kind == SQLITE_FULL || ((kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN) &&
                              (number == ENOSPC || number == EDQUOT))) {
    code = Errc::disk_full;
    hint = "free some disk space, then try again";
  } else if (kind == SQLITE_CONSTRAINT) {
    code = Errc::conflict;
  } else if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB) {
    code = Errc::corrupt;
  } else if (kind == SQLITE_BUSY) {
    code = Errc::unavailable;
  }
  return {.code = code,
          .message = fmt::format("database: {}: {}", what, sqlite3_errmsg(handle_)),
          .hint = hint};
}

}  // namespace slipway
