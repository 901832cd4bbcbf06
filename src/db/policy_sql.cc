#include "db/policy_sql.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>

#include "base/mutex.h"
#include "db/policy_functions.h"

namespace slipway {
namespace {

constexpr int steps_between_looks = 100;
constexpr std::uint64_t looks_between_clocks = 16;
constexpr std::int64_t cpu_limit_ns = 2'000'000'000;
constexpr std::size_t longest_fact = 64 << 10;  // bytes of one value

// Of a connection, while rules run on it; not while it is filled.
constexpr std::pair<int, int> rule_limits[] = {
    {SQLITE_LIMIT_LENGTH, static_cast<int>(longest_fact) + 1024},
    {SQLITE_LIMIT_SQL_LENGTH, 16 << 10},
    {SQLITE_LIMIT_COLUMN, 64},
    {SQLITE_LIMIT_EXPR_DEPTH, 100},
    {SQLITE_LIMIT_COMPOUND_SELECT, 16},
    {SQLITE_LIMIT_VDBE_OP, 20'000},
    {SQLITE_LIMIT_FUNCTION_ARG, 16},
    {SQLITE_LIMIT_ATTACHED, 0},
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200},
    {SQLITE_LIMIT_VARIABLE_NUMBER, 1},
    {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
    {SQLITE_LIMIT_WORKER_THREADS, 0}};

// like, glob and instr are our own; operators such as LIKE arrive here under these names.
constexpr std::array<std::string_view, 17> allowed_functions = {
    "abs",  "coalesce", "count", "glob", "group_concat", "ifnull", "iif", "instr", "length",
    "like", "lower",    "max",   "min",  "sev",          "substr", "sum", "upper"};

// Of the thread, so that a machine that stalls does not deny.
std::int64_t cpu_now() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

std::string create_table(const FactTable& table) {
  std::string sql = fmt::format("CREATE TABLE {}(", table.name);
  for (const FactColumn& column : table.columns)
    sql += fmt::format("{}{} {}{}", &column == table.columns.data() ? "" : ", ", column.name,
                       column.type == FactType::text ? "TEXT" : "INTEGER",
                       column.null == FactNull::never ? " NOT NULL" : "");
  return sql + ") STRICT";
}

std::string insert_row(const FactTable& table) {
  std::string sql = fmt::format("INSERT INTO {} VALUES(?", table.name);
  for (std::size_t i = 1; i < table.columns.size(); ++i) sql += ",?";
  return sql + ")";
}

struct Statements {
  const FactTable* table;
  std::string create, insert;
};

// Made once: the texts are the same for every session.
std::vector<Statements> make_statements() {
  std::vector<Statements> out;
  for (const FactTable& table : fact_tables())
    out.push_back({&table, create_table(table), insert_row(table)});
  return out;
}

struct CloseConnection {
  void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;
using Prepared = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

using Tables = std::set<std::string, std::less<>>;

// A database in memory with the tables that some rules read, and how they are filled. Making one
// costs as much as loading a thousand rows, so it is kept for the next decision that reads the same
// tables: emptied before it is filled, never after something went wrong with it. Used by one
// session at a time.
struct Base {
  struct Table {
    const FactTable* table;
    std::string clear;
    Prepared insert;
  };
  Tables names;
  RuleMeter meter;  // of the functions of the connection
  Connection connection;
  std::vector<Table> tables;  // their statements end before the connection
  bool is_used = false;
};

// The bases that nobody uses now. Thread-safe.
class Bases {
 public:
  std::unique_ptr<Base> take(const Tables& names) {
    const MutexLock lock(mutex_);
    const auto found =
        std::ranges::find(idle_, names, [](const auto& each) { return each->names; });
    if (found == idle_.end()) return nullptr;
    std::unique_ptr<Base> out = std::move(*found);
    idle_.erase(found);
    return out;
  }
  void give(std::unique_ptr<Base> base) {
    const MutexLock lock(mutex_);
    if (idle_.size() == most_idle) idle_.erase(idle_.begin());
    idle_.push_back(std::move(base));
  }

 private:
  static constexpr std::size_t most_idle = 8;
  Mutex mutex_;
  std::vector<std::unique_ptr<Base>> idle_ SLIPWAY_GUARDED_BY(mutex_);  // used last at the end
};

class Session final : public RuleSession {
 public:
  Session(const Facts& facts, const RuleLimits& limits, std::shared_ptr<Bases> bases)
      : facts_(facts), limits_(limits), bases_(std::move(bases)) {}
  ~Session() override {
    if (base_ && is_sound_ && is_small()) bases_->give(std::move(base_));
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Status open(const std::vector<Statements>& statements, const Tables& tables) {
    base_ = bases_->take(tables);
    if (!base_) SLIPWAY_CHECK(make(statements, tables));
    SLIPWAY_CHECK(load());
    harden();
    is_sound_ = true;
    return {};
  }

  Result<RuleRows> run(std::string_view sql) override {
    unknown_.clear();
    refused_.clear();
    base_->meter = {.steps_left = limits_.steps};
    memory_at_start_ = sqlite3_memory_used();
    cpu_at_start_ = cpu_now();
    sqlite3_stmt* raw = nullptr;
    const char* tail = nullptr;
    const int code = sqlite3_prepare_v3(base_->connection.get(), sql.data(),
                                        static_cast<int>(sql.size()), 0, &raw, &tail);
    const Prepared statement(raw);
    if (!unknown_.empty()) return fail(Errc::failed_precondition, unknown_);
    if (!refused_.empty()) return fail(Errc::invalid_argument, refused_);
    if (code != SQLITE_OK) return failed();
    const std::string_view rest(tail, static_cast<std::size_t>(sql.data() + sql.size() - tail));
    if (raw == nullptr || rest.find_first_not_of(" \t\r\n") != std::string_view::npos)
      return fail(Errc::invalid_argument, "a rule is one SELECT");
    if (sqlite3_column_count(raw) == 0 || sqlite3_stmt_readonly(raw) == 0 ||
        sqlite3_stmt_isexplain(raw) != 0 || sqlite3_bind_parameter_count(raw) != 0)
      return fail(Errc::invalid_argument, "a rule is one plain SELECT, without parameters");
    return fetch(raw);
  }

 private:
  Status make(const std::vector<Statements>& statements, const Tables& tables) {
    base_ = std::make_unique<Base>();
    base_->names = tables;
    sqlite3* raw = nullptr;
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    const int code = sqlite3_open_v2(":memory:", &raw, flags, nullptr);
    base_->connection.reset(raw);
    if (code != SQLITE_OK) return broken();
    SLIPWAY_CHECK(add_rule_functions(raw, base_->meter));
    // Nothing here is ever undone or kept: no journal. Large pages: a thousand findings are
    // inserted in four fifths of the time.
    SLIPWAY_CHECK(execute(
        "PRAGMA page_size=16384; PRAGMA journal_mode=OFF; PRAGMA temp_store=MEMORY; BEGIN"));
    for (const Statements& each : statements)
      if (tables.contains(each.table->name)) SLIPWAY_CHECK(execute(each.create));
    SLIPWAY_CHECK(execute("COMMIT"));
    for (const Statements& each : statements) {
      if (!tables.contains(each.table->name)) continue;
      sqlite3_stmt* insert = nullptr;
      const int prepared = sqlite3_prepare_v3(raw, each.insert.c_str(), -1,
                                              SQLITE_PREPARE_PERSISTENT, &insert, nullptr);
      base_->tables.push_back({.table = each.table,
                               .clear = fmt::format("DELETE FROM {}", each.table->name),
                               .insert = Prepared(insert)});
      if (prepared != SQLITE_OK) return broken();
    }
    return {};
  }

  // What was emptied stays allocated: no decision leaves much behind.
  [[nodiscard]] bool is_small() const {
    int used = 0, most = 0;
    sqlite3_db_status(base_->connection.get(), SQLITE_DBSTATUS_CACHE_USED, &used, &most, 0);
    return used < (4 << 20);
  }

  // What it held before goes first, whatever the facts are now.
  Status load() {
    sqlite3* c = base_->connection.get();
    if (base_->is_used) {
      sqlite3_set_authorizer(c, nullptr, nullptr);
      sqlite3_progress_handler(c, 0, nullptr, nullptr);
      for (const auto& [which, most] : rule_limits)
        sqlite3_limit(c, which, std::numeric_limits<int>::max());
    }
    SLIPWAY_CHECK(execute("BEGIN"));
    for (const Base::Table& each : base_->tables) {
      if (base_->is_used) SLIPWAY_CHECK(execute(each.clear));
      SLIPWAY_CHECK(fill(each));
    }
    base_->is_used = true;
    return execute("COMMIT");
  }

  Status fill(const Base::Table& each) {
    const std::vector<FactRow>& rows = facts_.rows(each.table->name);
    if (rows.empty()) return {};
    sqlite3_stmt* raw = each.insert.get();
    for (const FactRow& row : rows) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        const int position = static_cast<int>(i) + 1;
        if (const auto* text = std::get_if<std::string>(&row[i])) {
          if (text->size() > longest_fact)
            return fail(Errc::too_large, fmt::format("a value of {} is longer than {} bytes",
                                                     each.table->name, longest_fact));
          sqlite3_bind_text(raw, position, text->c_str(), static_cast<int>(text->size()),
                            SQLITE_STATIC);
        } else if (const auto* number = std::get_if<std::int64_t>(&row[i])) {
          sqlite3_bind_int64(raw, position, *number);
        } else {
          sqlite3_bind_null(raw, position);
        }
      }
      if (sqlite3_step(raw) != SQLITE_DONE) return broken();
      sqlite3_reset(raw);
    }
    // The texts are the facts', which may be gone when it is used again.
    sqlite3_clear_bindings(raw);
    return {};
  }

  // After loading: from here on only rules run.
  void harden() {
    sqlite3* c = base_->connection.get();
    for (const int option :
         {SQLITE_DBCONFIG_DQS_DDL, SQLITE_DBCONFIG_DQS_DML, SQLITE_DBCONFIG_ENABLE_TRIGGER,
          SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION,
          SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, SQLITE_DBCONFIG_TRUSTED_SCHEMA,
          SQLITE_DBCONFIG_WRITABLE_SCHEMA})
      sqlite3_db_config(c, option, 0, nullptr);
    sqlite3_db_config(c, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_drop_modules(c, nullptr);
    for (const auto& [which, most] : rule_limits) sqlite3_limit(c, which, most);
    sqlite3_set_authorizer(c, &Session::authorize, this);
    sqlite3_progress_handler(c, steps_between_looks, &Session::look, this);
  }

  // SQLITE_DENY ends the compilation; the reason is kept for the message.
  static int authorize(void* self, int action, const char* first, const char* second, const char*,
                       const char*) {
    auto& session = *static_cast<Session*>(self);
    const std::string_view name = first == nullptr ? "" : first;
    const std::string_view detail = second == nullptr ? "" : second;
    switch (action) {
      case SQLITE_SELECT:
        return SQLITE_OK;
      case SQLITE_READ:
        return session.authorize_read(name, detail);
      case SQLITE_FUNCTION: {
        std::string lower(detail);
        for (char& c : lower)
          if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
        if (std::ranges::find(allowed_functions, lower) != allowed_functions.end())
          return SQLITE_OK;
        return session.deny(fmt::format("the function {}()", detail));
      }
      case SQLITE_RECURSIVE:
        return session.deny("recursion");
      default:
        return session.deny("anything but reading facts");
    }
  }

  int authorize_read(std::string_view table, std::string_view column) {
    if (const FactTable* known = find_fact_table(table)) {
      if (facts_.is_known(known->name)) return SQLITE_OK;
      if (unknown_.empty()) {
        const std::string why = facts_.why_unknown(known->name);
        unknown_ = fmt::format("the facts of {} are not known{}{}", known->name,
                               why.empty() ? "" : ": ", why);
      }
      return SQLITE_DENY;
    }
    // A common table of which no column is used; virtual tables and the schema are not that.
    if (column.empty() && !table.starts_with("sqlite_") && !table.starts_with("pragma_") &&
        !table.starts_with("json_"))
      return SQLITE_OK;
    return deny(fmt::format("reading {}", table));
  }

  int deny(std::string_view what) {
    if (refused_.empty()) refused_ = fmt::format("{} is not allowed in a rule", what);
    return SQLITE_DENY;
  }

  static int look(void* self) {
    auto& session = *static_cast<Session*>(self);
    if (!session.base_->meter.charge(steps_between_looks)) return 1;
    session.starved_ = sqlite3_memory_used() - session.memory_at_start_ > session.limits_.memory;
    // The clock is a system call, so it is asked less often.
    if (++session.looks_ % looks_between_clocks == 0)
      session.slow_ = cpu_now() - session.cpu_at_start_ > cpu_limit_ns;
    return session.starved_ || session.slow_ ? 1 : 0;
  }

  Result<RuleRows> fetch(sqlite3_stmt* statement) {
    RuleRows out;
    starved_ = slow_ = false;
    const int columns = sqlite3_column_count(statement);
    for (int i = 0; i < columns; ++i) out.columns.emplace_back(sqlite3_column_name(statement, i));
    std::size_t bytes = 0;
    for (;;) {
      const int code = sqlite3_step(statement);
      if (code == SQLITE_DONE) return out;
      if (code != SQLITE_ROW) return failed();
      if (out.rows.size() >= limits_.rows)
        return fail(Errc::too_large, fmt::format("more than {} violating rows", limits_.rows));
      FactRow& row = out.rows.emplace_back();
      for (int i = 0; i < columns; ++i) {
        row.push_back(value(statement, i));
        if (const auto* text = std::get_if<std::string>(&row.back())) bytes += text->size();
      }
      if (bytes > limits_.bytes)
        return fail(Errc::too_large,
                    fmt::format("more than {} bytes of violating rows", limits_.bytes));
    }
  }

  static FactValue value(sqlite3_stmt* statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
      case SQLITE_NULL:
        return {};
      case SQLITE_INTEGER:
        return sqlite3_column_int64(statement, column);
      default: {
        const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, column));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
        return bytes == nullptr ? std::string() : std::string(bytes, size);
      }
    }
  }

  std::unexpected<Error> failed() {
    if (base_->meter.exhausted)
      return fail(Errc::too_large, fmt::format("the rule took more than {} steps", limits_.steps));
    if (starved_)
      return fail(Errc::too_large, fmt::format("the rule took more than {} bytes", limits_.memory));
    if (slow_) return fail(Errc::too_large, "the rule took more than 2 s of a core");
    switch (sqlite3_errcode(base_->connection.get())) {
      case SQLITE_TOOBIG:
      case SQLITE_NOMEM:
      case SQLITE_FULL:
        is_sound_ = false;
        return fail(Errc::too_large, sqlite3_errmsg(base_->connection.get()));
      default:
        return fail(Errc::invalid_argument, sqlite3_errmsg(base_->connection.get()));
    }
  }
  std::unexpected<Error> broken() {
    return fail(Errc::internal, fmt::format("the facts could not be loaded: {}",
                                            sqlite3_errmsg(base_->connection.get())));
  }

  Status execute(const std::string& sql) {
    if (sqlite3_exec(base_->connection.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      return broken();
    return {};
  }

  const Facts& facts_;
  RuleLimits limits_;
  std::int64_t memory_at_start_ = 0;
  std::int64_t cpu_at_start_ = 0;
  std::uint64_t looks_ = 0;
  bool starved_ = false, slow_ = false;
  std::string unknown_, refused_;
  std::shared_ptr<Bases> bases_;  // may outlive the evaluator
  bool is_sound_ = false;
  std::unique_ptr<Base> base_;  // last: its callbacks use the members above
};

class SqlRuleEvaluator final : public RuleEvaluator {
 public:
  Result<std::unique_ptr<RuleSession>> open(const Facts& facts,
                                            const std::set<std::string, std::less<>>& tables,
                                            const RuleLimits& limits) const override {
    auto session = std::make_unique<Session>(facts, limits, bases_);
    SLIPWAY_CHECK(session->open(statements_, tables));
    return session;
  }

 private:
  std::vector<Statements> statements_ = make_statements();
  std::shared_ptr<Bases> bases_ = std::make_shared<Bases>();
};

}  // namespace

std::unique_ptr<RuleEvaluator> make_sql_rule_evaluator() {
  return std::make_unique<SqlRuleEvaluator>();
}

std::string fact_schema() {
  std::string out;
  for (const FactTable& table : fact_tables()) out += create_table(table) + ";\n";
  return out;
}

}  // namespace slipway
