#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"

struct sqlite3_vfs;

namespace slipway::testing {

// A disk under every SQLite database that is opened while this object lives. It passes everything
// on to the real one, counts what would change the disk (opens, writes, syncs, truncations,
// removals) and can fail one of these, or lose power: then all fails from there on, and what was
// not synced can be taken away. For tests; one at a time.
class FaultDisk {
 public:
  FaultDisk();
  ~FaultDisk();
  FaultDisk(const FaultDisk&) = delete;
  FaultDisk& operator=(const FaultDisk&) = delete;

  enum class Fault {
    io,     // the operation fails as a broken disk's does
    full,   // for writes alone: the disk is full
    power,  // it and all that follow fail, reads too
  };
  // The `number`-th operation from now on, from 1, fails.
  void fail_at(std::int64_t number, Fault fault);
  // Nothing fails any more. Returns whether something did since fail_at().
  bool repair();
  // With every database closed: each file has what was in it when it was last synced.
  void lose_what_was_not_synced();

  struct Content {
    bool exists = false;
    std::string bytes;
  };
  // For the functions that SQLite calls.
  enum class Operation { read, write, open, sync, truncate, remove, share };
  // SQLITE_OK, or the error that it fails with.
  [[nodiscard]] int before(Operation operation);
  void opened(const std::string& path);
  void synced(const std::string& path);
  void removed(const std::string& path);
  [[nodiscard]] sqlite3_vfs& real() const { return *real_; }

 private:
  struct State {
    std::int64_t left = 0;  // operations until the one that fails; 0: none does
    Fault fault = Fault::io;
    bool failed = false, dark = false;
    std::map<std::string, Content> durable;  // by path
  };
  Guarded<State> state_;
  sqlite3_vfs* real_;
  std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace slipway::testing
