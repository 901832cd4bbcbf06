#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "db/connection.h"

namespace slipway {

// An SQLite database in WAL mode with synchronous=FULL: a committed change survives a power cut.
// Thread-safe.
//
// One thread writes at a time, on a connection of its own; each thread that reads has one out of a
// small pool and sees all that was committed when it began, whoever wrote it. So nobody who reads
// waits for a writer's fsync.
//
// A thread has one Reader or Transaction at a time. To ask for a second is a bug that would end in
// waiting for oneself: the process aborts and says so. So nothing that runs inside of one may call
// out: read, decide, then write if nobody else did (by the row's revision).
class Database {
 public:
  // Opens or makes the file and brings its schema up to date with `migrations` (each run once, in
  // order, in a transaction of its own). A newer schema than we know is refused. ":memory:" for
  // tests: there is one connection then, for all.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(
      const std::filesystem::path& file, std::span<const std::string_view> migrations);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // What statements are prepared through: a Reader or a Transaction. Those must be gone before it.
  class Session {
   public:
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    // Errors: also why a Reader has no connection.
    [[nodiscard]] Result<Statement> prepare(std::string_view sql);
    // Prepares, binds nothing, runs.
    [[nodiscard]] Status execute(std::string_view sql);

   protected:
    Session(Database& database, Connection::Use use) : database_(database), use_(use) {}
    ~Session() = default;

    // One a thread.
    struct Only {
      Only();
      ~Only();
    };
    const Only only_{};
    Database& database_;
    const Connection::Use use_;
    Result<Connection*> connection_ = nullptr;
  };

  // What was committed when it first reads. Nobody waits for it.
  class Reader final : public Session {
   public:
    ~Reader();

   private:
    friend class Database;
    Reader(Database& database, std::optional<Duration> bound);
    std::unique_ptr<Connection> borrowed_;
    bool has_turn_ = false;
  };
  [[nodiscard]] Reader read() { return {*this, {}}; }

  // The one change that is being written.
  class Transaction final : public Session {
   public:
    ~Transaction();

   private:
    friend class Database;
    Transaction(Database& database, std::optional<Duration> bound);
    const bool has_turn_;
  };
  // Runs `work` in one transaction: committed when it returns ok, otherwise undone; an urgent one
  // may be run again. For stores alone: it must not call out.
  [[nodiscard]] Status transaction(const std::function<Status(Transaction&)>& work);

  // How room is made on a full disk for an urgent transaction, which is then tried again; false
  // when there is none left. Called with nothing held. Set it before others use the database.
  void on_full(std::function<bool()> make_room) { make_room_ = std::move(make_room); }

  // Whether it can do its work: answers a question and gives the turn to write, each within
  // `bound`. Errors: unavailable, or what SQLite says.
  [[nodiscard]] Status probe(Duration bound);

 private:
  explicit Database(std::filesystem::path file) : file_(std::move(file)) {}
  [[nodiscard]] bool in_memory() const { return file_ == ":memory:"; }
  [[nodiscard]] Status attempt(const std::function<Status(Transaction&)>& work);
  [[nodiscard]] Status migrate(std::span<const std::string_view> migrations);
  // Waits for a connection for reading, or makes one.
  [[nodiscard]] Result<std::unique_ptr<Connection>> borrow(std::optional<Duration> bound);
  void give_back(std::unique_ptr<Connection> connection);
  // The turn to write. False when it did not come within `bound`.
  [[nodiscard]] bool begin_turn(std::optional<Duration> bound);
  void end_turn();

  struct State {
    bool writing = false;                           // somebody has the turn, and so writer_
    std::vector<std::unique_ptr<Connection>> idle;  // for reading
    std::size_t readers = 0;                        // connections that are lent
  };

  const std::filesystem::path file_;
  std::function<bool()> make_room_;
  std::unique_ptr<Connection> writer_;
  Guarded<State> state_;  // never held while SQLite works
  CondVar changed_;
};

}  // namespace slipway
