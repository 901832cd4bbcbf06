#include "db/database.h"

#include <sqlite3.h>

#include <cstdlib>

#include "base/log.h"

namespace slipway {
namespace {

// Whether this thread has a session, of any database.
thread_local bool has_session = false;

Error error_of(sqlite3* connection, std::string_view what) {
  Errc code = Errc::io;
  std::string hint;
  switch (sqlite3_errcode(connection)) {
    case SQLITE_FULL:
      code = Errc::disk_full;
      hint = "free some disk space, then try again";
      break;
    case SQLITE_CONSTRAINT:
      code = Errc::conflict;
      break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      code = Errc::corrupt;
      break;
    case SQLITE_BUSY:
      code = Errc::unavailable;
      break;
    default:
      break;
  }
  return {.code = code,
          .message = fmt::format("database: {}: {}", what, sqlite3_errmsg(connection)),
          .hint = hint};
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

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
  return fail(error_of(connection_, sqlite3_sql(statement_)));
}

Status Statement::run() {
  SLIPWAY_TRY([[maybe_unused]] const bool row, step());
  return {};
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

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file,
                                                 std::span<const std::string_view> migrations) {
  sqlite3* connection = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(file.c_str(), &connection, flags, nullptr);
  std::unique_ptr<Database> database(new Database(connection));
  if (code != SQLITE_OK) return fail(error_of(connection, "open " + file.string()));
  sqlite3_busy_timeout(connection, 5000);
  {
    Session session(*database);
    for (const std::string_view pragma :
         {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON",
          "PRAGMA journal_size_limit=16777216"})
      SLIPWAY_CHECK(session.execute(pragma));
  }
  SLIPWAY_CHECK(database->migrate(migrations));
  return database;
}

Database::~Database() { sqlite3_close_v2(connection_); }

Database::Session::Only::Only() {
  if (has_session) {
    log_error("bug: a thread that uses the database asked for it again; read before, write after");
    std::abort();
  }
  has_session = true;
}

Database::Session::Only::~Only() { has_session = false; }

Result<Statement> Database::Session::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.connection_, sql.data(), static_cast<int>(sql.size()),
                         &statement, nullptr) != SQLITE_OK)
    return fail(error_of(database_.connection_, sql));
  return Statement(database_.connection_, statement);
}

Status Database::Session::execute(std::string_view sql) {
  SLIPWAY_TRY(Statement statement, prepare(sql));
  return statement.run();
}

Status Database::transaction(const std::function<Status(Session&)>& work) {
  Session session(*this);
  SLIPWAY_CHECK(session.execute("BEGIN IMMEDIATE"));
  Status outcome = work(session);
  if (outcome) outcome = session.execute("COMMIT");
  // A failed COMMIT (a full disk, say) leaves the transaction open.
  if (!outcome) std::ignore = session.execute("ROLLBACK");
  return outcome;
}

Status Database::migrate(std::span<const std::string_view> migrations) {
  std::int64_t version = 0;
  {
    Session session(*this);
    SLIPWAY_TRY(Statement query, session.prepare("PRAGMA user_version"));
    SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
    version = query.number(0);
  }
  if (version > static_cast<std::int64_t>(migrations.size()))
    return fail(Errc::failed_precondition,
                fmt::format("the database has schema {}, this Slipway knows {}", version,
                            migrations.size()),
                "start the newer Slipway that made it, or use another data directory");
  for (auto next = static_cast<std::size_t>(version); next < migrations.size(); ++next) {
    SLIPWAY_CHECK(transaction([&](Session& session) -> Status {
      std::string_view sql = migrations[next];
      // One statement at a time: a schema has many.
      while (sql.find_first_not_of(" \n") != std::string_view::npos) {
        const auto end = sql.find(";\n");
        SLIPWAY_CHECK(session.execute(sql.substr(0, end)));
        if (end == std::string_view::npos) break;
        sql.remove_prefix(end + 2);
      }
      return session.execute(fmt::format("PRAGMA user_version={}", next + 1));
    }));
  }
  return {};
}

}  // namespace slipway
