#include "db/testing/fault_disk.h"

#include <sqlite3.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <new>

namespace slipway::testing {
namespace {

// SQLite allocates szOsFile bytes for one of these; the real file's own lie behind it.
struct File {
  sqlite3_file base;
  FaultDisk* disk;
  std::string* path;  // nullptr for a temporary file
};

FaultDisk& disk_of(sqlite3_file* file) { return *reinterpret_cast<File*>(file)->disk; }
sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<File*>(file) + 1);
}
const sqlite3_io_methods& methods(sqlite3_file* file) { return *real(file)->pMethods; }
FaultDisk& disk_of(sqlite3_vfs* vfs) { return *static_cast<FaultDisk*>(vfs->pAppData); }

using Operation = FaultDisk::Operation;

int close_file(sqlite3_file* file) {
  const int code = methods(file).xClose(real(file));
  delete reinterpret_cast<File*>(file)->path;
  return code;
}
int read_file(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  if (const int code = disk_of(file).before(Operation::read); code != SQLITE_OK) return code;
  return methods(file).xRead(real(file), to, size, at);
}
int write_file(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
  if (const int code = disk_of(file).before(Operation::write); code != SQLITE_OK) return code;
  return methods(file).xWrite(real(file), from, size, at);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (const int code = disk_of(file).before(Operation::truncate); code != SQLITE_OK) return code;
  return methods(file).xTruncate(real(file), size);
}
int sync_file(sqlite3_file* file, int flags) {
  FaultDisk& disk = disk_of(file);
  if (const int code = disk.before(Operation::sync); code != SQLITE_OK) return code;
  const int code = methods(file).xSync(real(file), flags);
  if (const std::string* path = reinterpret_cast<File*>(file)->path; path && code == SQLITE_OK)
    disk.synced(*path);
  return code;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return methods(file).xFileSize(real(file), size);
}
int lock_file(sqlite3_file* file, int level) { return methods(file).xLock(real(file), level); }
int unlock_file(sqlite3_file* file, int level) { return methods(file).xUnlock(real(file), level); }
int check_lock(sqlite3_file* file, int* out) {
  return methods(file).xCheckReservedLock(real(file), out);
}
int control_file(sqlite3_file* file, int what, void* argument) {
  return methods(file).xFileControl(real(file), what, argument);
}
int sector_size(sqlite3_file* file) { return methods(file).xSectorSize(real(file)); }
int characteristics(sqlite3_file* file) { return methods(file).xDeviceCharacteristics(real(file)); }
int map_shared(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  if (extend != 0)
    if (const int code = disk_of(file).before(Operation::share); code != SQLITE_OK) return code;
  return methods(file).xShmMap(real(file), region, size, extend, out);
}
int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
  return methods(file).xShmLock(real(file), offset, count, flags);
}
void barrier(sqlite3_file* file) { methods(file).xShmBarrier(real(file)); }
int unmap_shared(sqlite3_file* file, int remove) {
  return methods(file).xShmUnmap(real(file), remove);
}

// Version 2: with shared memory for the WAL, without mapped files, which would be written unseen.
const sqlite3_io_methods io_methods{.iVersion = 2,
                                    .xClose = close_file,
                                    .xRead = read_file,
                                    .xWrite = write_file,
                                    .xTruncate = truncate_file,
                                    .xSync = sync_file,
                                    .xFileSize = file_size,
                                    .xLock = lock_file,
                                    .xUnlock = unlock_file,
                                    .xCheckReservedLock = check_lock,
                                    .xFileControl = control_file,
                                    .xSectorSize = sector_size,
                                    .xDeviceCharacteristics = characteristics,
                                    .xShmMap = map_shared,
                                    .xShmLock = lock_shared,
                                    .xShmBarrier = barrier,
                                    .xShmUnmap = unmap_shared,
                                    .xFetch = nullptr,
                                    .xUnfetch = nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  FaultDisk& disk = disk_of(vfs);
  auto* made = ::new (file) File{.base = {.pMethods = nullptr}, .disk = &disk, .path = nullptr};
  if (const int code = disk.before(Operation::open); code != SQLITE_OK) return code;
  if (name != nullptr) disk.opened(name);
  const int code = disk.real().xOpen(&disk.real(), name, real(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  if (name != nullptr) made->path = new std::string(name);  // SQLite keeps the File
  made->base.pMethods = &io_methods;
  return SQLITE_OK;
}

int remove_file(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  FaultDisk& disk = disk_of(vfs);
  if (const int code = disk.before(Operation::remove); code != SQLITE_OK) return code;
  const int code = disk.real().xDelete(&disk.real(), name, sync_directory);
  if (code == SQLITE_OK && sync_directory != 0) disk.removed(name);
  return code;
}

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

FaultDisk::FaultDisk()
    : real_(sqlite3_vfs_find(nullptr)), vfs_(std::make_unique<sqlite3_vfs>(*real_)) {
  vfs_->zName = "slipway-faults";
  vfs_->szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
  vfs_->pNext = nullptr;
  vfs_->pAppData = this;
  vfs_->xOpen = open_file;
  vfs_->xDelete = remove_file;
  sqlite3_vfs_register(vfs_.get(), 1);
}

FaultDisk::~FaultDisk() {
  sqlite3_vfs_unregister(vfs_.get());
  sqlite3_vfs_register(real_, 1);
}

void FaultDisk::fail_at(std::int64_t number, Fault fault) {
  auto state = state_.lock();
  state->left = number;
  state->fault = fault;
  state->failed = state->dark = false;
}

bool FaultDisk::repair() {
  auto state = state_.lock();
  state->left = 0;
  state->dark = false;
  return state->failed;
}

int FaultDisk::before(Operation operation) {
  auto state = state_.lock();
  if (!state->dark) {
    if (operation == Operation::read || state->left == 0) return SQLITE_OK;
    if (state->fault == Fault::full && operation != Operation::write) return SQLITE_OK;
    if (--state->left > 0) return SQLITE_OK;
    state->failed = true;
    if (state->fault == Fault::full) {
      errno = ENOSPC;
      return SQLITE_FULL;
    }
    state->dark = state->fault == Fault::power;
  }
  errno = EIO;
  switch (operation) {
    case Operation::read:
      return SQLITE_IOERR_READ;
    case Operation::write:
      return SQLITE_IOERR_WRITE;
    case Operation::open:
      return SQLITE_CANTOPEN;
    case Operation::sync:
      return SQLITE_IOERR_FSYNC;
    case Operation::truncate:
      return SQLITE_IOERR_TRUNCATE;
    case Operation::remove:
      return SQLITE_IOERR_DELETE;
    case Operation::share:
      return SQLITE_IOERR_SHMMAP;
  }
  return SQLITE_IOERR;
}

void FaultDisk::opened(const std::string& path) {
  auto state = state_.lock();
  if (state->durable.contains(path)) return;
  // What is there before this disk knew it counts as synced.
  const bool exists = std::filesystem::exists(path);
  state->durable[path] = {.exists = exists, .bytes = exists ? content(path) : std::string()};
}

void FaultDisk::synced(const std::string& path) {
  state_.lock()->durable[path] = {.exists = true, .bytes = content(path)};
}

void FaultDisk::removed(const std::string& path) { state_.lock()->durable[path] = {}; }

void FaultDisk::lose_what_was_not_synced() {
  auto state = state_.lock();
  for (const auto& [path, durable] : state->durable) {
    std::filesystem::remove(path);
    if (durable.exists) std::ofstream(path, std::ios::binary) << durable.bytes;
    if (path.ends_with("-wal")) std::filesystem::remove(path.substr(0, path.size() - 4) + "-shm");
  }
  state->durable.clear();
}

}  // namespace slipway::testing
