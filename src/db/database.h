#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slipway {

class Database;

// One prepared statement, bound and stepped under the database's lock. Text handed to bind() must
// live until the statement is stepped. Made by Database::Session only.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(int position, std::string_view text);
  Statement& bind(int position, std::int64_t number);
  Statement& bind_null(int position);
  // True when there is a row. Errors: disk_full, conflict (a constraint), io.
  [[nodiscard]] Result<bool> step();
  // For statements without rows.
  [[nodiscard]] Status run();

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* connection, sqlite3_stmt* statement)
      : connection_(connection), statement_(statement) {}
  sqlite3* connection_;
  sqlite3_stmt* statement_;
};

// An SQLite database in WAL mode with synchronous=FULL: a committed change survives a power cut.
// One connection behind a lock, so statements of several threads never interleave. Thread-safe.
class Database {
 public:
  // Opens or makes the file and brings its schema up to date with `migrations` (each run once, in
  // order, in a transaction of its own). A newer schema than we know is refused. ":memory:" for
  // tests.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(
      const std::filesystem::path& file, std::span<const std::string_view> migrations);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Holds the lock; statements are prepared through it. A thread that asks for a second one while
  // it has one would wait for itself for ever: the process aborts and says so. So nothing that is
  // called with a session open may reach a store.
  class Session {
   public:
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    [[nodiscard]] Result<Statement> prepare(std::string_view sql);
    // Prepares, binds nothing, runs.
    [[nodiscard]] Status execute(std::string_view sql);

   private:
    friend class Database;
    // One a thread.
    struct Only {
      Only();
      ~Only();
    };
    explicit Session(Database& database) : database_(database), lock_(database.mutex_) {}
    Database& database_;
    Only only_;
    std::unique_lock<std::mutex> lock_;
  };
  [[nodiscard]] Session session() { return Session(*this); }
  // Runs `work` in one transaction: committed when it returns ok, otherwise undone.
  [[nodiscard]] Status transaction(const std::function<Status(Session&)>& work);

 private:
  explicit Database(sqlite3* connection) : connection_(connection) {}
  [[nodiscard]] Status migrate(std::span<const std::string_view> migrations);
  sqlite3* connection_;
  std::mutex mutex_;
};

}  // namespace slipway
