#include "db/database.h"

#include <cstdlib>

#include "base/log.h"
#include "db/urgent.h"

namespace slipway {
namespace {

// What is read is short; more at once than this would only wait for a core.
constexpr std::size_t max_readers = 6;

// Whether this thread has a session, of any database.
thread_local bool has_session = false;
// Whether this thread has an Urgent.
thread_local bool is_urgent = false;

std::unexpected<Error> too_late(std::string_view what) {
  return fail(Errc::unavailable, fmt::format("database: no turn to {} within the bound", what));
}

}  // namespace

Database::Session::Only::Only() {
  if (has_session) {
    log_error("bug: a thread that uses the database asked for it again; read before, write after");
    std::abort();
  }
  has_session = true;
}

Database::Session::Only::~Only() { has_session = false; }

Result<Statement> Database::Session::prepare(std::string_view sql) {
  SLIPWAY_TRY(Connection* const connection, connection_);
  return connection->prepare(sql, use_);
}

Status Database::Session::execute(std::string_view sql) {
  SLIPWAY_TRY(Statement statement, prepare(sql));
  return statement.run();
}

Database::Reader::Reader(Database& database, std::optional<Duration> bound)
    : Session(database, Connection::Use::read) {
  if (database.in_memory()) {
    has_turn_ = database.begin_turn(bound);
    connection_ = has_turn_ ? Result<Connection*>(database.writer_.get()) : too_late("read");
    return;
  }
  Result<std::unique_ptr<Connection>> borrowed = database.borrow(bound);
  if (!borrowed) {
    connection_ = fail(std::move(borrowed).error());
    return;
  }
  borrowed_ = *std::move(borrowed);
  // One picture of it all, however many statements look at it.
  if (Status begun = borrowed_->execute("BEGIN"); begun)
    connection_ = borrowed_.get();
  else
    connection_ = fail(std::move(begun).error());
}

Database::Reader::~Reader() {
  if (has_turn_) database_.end_turn();
  if (!borrowed_) return;
  if (borrowed_->in_transaction()) std::ignore = borrowed_->execute("ROLLBACK");
  database_.give_back(std::move(borrowed_));
}

Database::Transaction::Transaction(Database& database, std::optional<Duration> bound)
    : Session(database, Connection::Use::write), has_turn_(database.begin_turn(bound)) {
  connection_ = has_turn_ ? Result<Connection*>(database.writer_.get()) : too_late("write");
}

Database::Transaction::~Transaction() {
  if (has_turn_) database_.end_turn();
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file,
                                                 std::span<const std::string_view> migrations) {
  std::unique_ptr<Database> database(new Database(file));
  SLIPWAY_TRY(database->writer_, Connection::open(file, Connection::Use::write));
  SLIPWAY_CHECK(database->migrate(migrations));
  return database;
}

// The writer's connection goes last: whoever closes last brings what was written into the file.
Database::~Database() { state_.lock()->idle.clear(); }

Result<std::unique_ptr<Connection>> Database::borrow(std::optional<Duration> bound) {
  {
    auto state = state_.lock();
    const auto free = [](const State& now) { return now.readers < max_readers; };
    if (!bound)
      state.wait(changed_, free);
    else if (!state.wait_for(changed_, *bound, free))
      return too_late("read");
    ++state->readers;
    if (!state->idle.empty()) {
      std::unique_ptr<Connection> connection = std::move(state->idle.back());
      state->idle.pop_back();
      return connection;
    }
  }
  auto made = Connection::open(file_, Connection::Use::read);
  if (!made) give_back(nullptr);
  return made;
}

void Database::give_back(std::unique_ptr<Connection> connection) {
  if (connection && connection->in_transaction()) connection.reset();  // it cannot even undo
  auto state = state_.lock();
  --state->readers;
  if (connection) state->idle.push_back(std::move(connection));
  changed_.notify_all();
}

bool Database::begin_turn(std::optional<Duration> bound) {
  auto state = state_.lock();
  const auto free = [](const State& now) { return !now.writing; };
  if (!bound)
    state.wait(changed_, free);
  else if (!state.wait_for(changed_, *bound, free))
    return false;
  state->writing = true;
  return true;
}

void Database::end_turn() {
  state_.lock()->writing = false;
  changed_.notify_all();
}

Urgent::Urgent() : before_(std::exchange(is_urgent, true)) {}
Urgent::~Urgent() { is_urgent = before_; }
bool Urgent::is_active() { return is_urgent; }

Status Database::transaction(const std::function<Status(Transaction&)>& work) {
  for (;;) {
    Status outcome = attempt(work);
    if (outcome || outcome.error().code != Errc::disk_full || !Urgent::is_active() || !make_room_ ||
        !make_room_())
      return outcome;
  }
}

Status Database::attempt(const std::function<Status(Transaction&)>& work) {
  Transaction transaction(*this, {});
  SLIPWAY_CHECK(transaction.execute("BEGIN IMMEDIATE"));
  Status outcome = work(transaction);
  if (outcome) outcome = transaction.execute("COMMIT");
  // A failed COMMIT (a full disk, say) may leave the transaction open.
  if (!outcome && writer_->in_transaction()) std::ignore = transaction.execute("ROLLBACK");
  return outcome;
}

Status Database::probe(Duration bound) {
  {
    Reader reader(*this, bound);
    SLIPWAY_TRY(Statement query, reader.prepare("SELECT count(*) FROM sqlite_schema"));
    SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
  }
  Transaction transaction(*this, bound);
  SLIPWAY_CHECK(transaction.execute("BEGIN IMMEDIATE"));
  return transaction.execute("ROLLBACK");
}

Status Database::migrate(std::span<const std::string_view> migrations) {
  std::int64_t version = 0;
  {
    SLIPWAY_TRY(Statement query, writer_->prepare("PRAGMA user_version", Connection::Use::write));
    SLIPWAY_TRY([[maybe_unused]] const bool row, query.step());
    version = query.number(0);
  }
  if (version > static_cast<std::int64_t>(migrations.size()))
    return fail(Errc::failed_precondition,
                fmt::format("the database has schema {}, this Slipway knows {}", version,
                            migrations.size()),
                "start the newer Slipway that made it, or use another data directory");
  for (auto next = static_cast<std::size_t>(version); next < migrations.size(); ++next) {
    SLIPWAY_CHECK(transaction([&](Transaction&) -> Status {
      SLIPWAY_CHECK(writer_->run_script(migrations[next]));
      return writer_->run_script(fmt::format("PRAGMA user_version={}", next + 1));
    }));
  }
  return {};
}

}  // namespace slipway
