#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slipway {

class Connection;

// One prepared statement in use. bind() copies what it is given. Goes back to its connection, which
// it must not outlive.
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
  // For changes with RETURNING: whether it changed a row; runs to its end.
  [[nodiscard]] Result<bool> changed();

  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::int64_t number(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  friend class Connection;
  Statement(Connection& home, sqlite3_stmt* statement) : home_(&home), statement_(statement) {}
  Connection* home_;
  sqlite3_stmt* statement_;
};

// One SQLite connection and the statements that were prepared on it: each text is prepared at its
// first use and kept. Not thread-safe; the Database hands it out.
class Connection {
 public:
  enum class Use { read, write };
  // For writing, the file is made when absent.
  [[nodiscard]] static Result<std::unique_ptr<Connection>> open(const std::filesystem::path& file,
                                                                Use use);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Errors: internal when one for reading is asked to write.
  [[nodiscard]] Result<Statement> prepare(std::string_view sql, Use use);
  [[nodiscard]] Status execute(std::string_view sql, Use use = Use::write);
  // Every statement of a text that has many, as a schema has; none is kept.
  [[nodiscard]] Status run_script(std::string_view sql);
  // Whether a transaction is open.
  [[nodiscard]] bool in_transaction() const;

 private:
  friend class Statement;
  explicit Connection(sqlite3* handle) : handle_(handle) {}
  [[nodiscard]] Error error(std::string_view what) const;
  void give_back(sqlite3_stmt* statement);

  sqlite3* handle_;
  std::map<std::string, sqlite3_stmt*, std::less<>> idle_;  // by text
};

}  // namespace slipway
