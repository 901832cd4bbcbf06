// Every open, write, sync, rename and mkdir below a change of the stores fails once, in turn, until
// the change passes untouched; and the power goes right after each change that was acknowledged.
#include <gtest/gtest.h>

#include <functional>

#include "store/layer_store.h"
#include "store/test_support.h"
#include "sys/testing/disk_faults.h"

namespace slipway {
namespace {

using testing::DiskFaults;

const std::vector<std::string> contents{"one", "two", std::string(300'000, 'x')};

struct Stores {
  explicit Stores(const std::filesystem::path& root)
      : blobs(BlobStore::open(root).value()), layers(LayerStore::open(root).value()) {}
  BlobStore blobs;
  LayerStore layers;
};

Manifest manifest_of(const std::vector<std::string>& files) {
  Manifest out;
  for (const std::string& each : files)
    out.entries.push_back({.path = fmt::format("f{}", out.entries.size()),
                           .size = each.size(),
                           .digest = sha256(each)});
  return out;
}

struct Change {
  std::string name;
  std::function<Status(Stores&)> prepare, make;
  std::vector<std::string> blobs;  // that are there afterwards
  bool layer = false;              // and the layer of `contents`
  friend void PrintTo(const Change& change, std::ostream* out) { *out << change.name; }
};

template <class T>
Status without_value(const Result<T>& result) {
  return result ? Status() : Status(fail(result.error()));
}

Status unpack(Stores& stores) {
  const std::vector<Digest> wanted = test::digests_of(contents);
  return without_value(
      stores.blobs.unpack(test::reader_of(test::pack_of(contents)), wanted, 1u << 30));
}

Status materialize(Stores& stores) {
  return without_value(
      stores.layers.materialize(manifest_of(contents), "app", stores.blobs, nullptr));
}

const std::vector<Change> changes{
    {"PutBlob",
     [](Stores&) { return Status(); },
     [](Stores& s) { return without_value(s.blobs.put(contents[2])); },
     {contents[2]}},
    {"UnpackPack", [](Stores&) { return Status(); }, unpack, contents},
    {"CommitLayer", unpack,
     [](Stores& s) -> Status {
       SLIPWAY_CHECK(materialize(s));
       return s.layers.flush();
     },
     contents, true},
};

// Whole files under the layer, if it is there at all.
bool has_layer(const LayerStore& layers) {
  bool found = false;
  for (const std::string& id : layers.ids()) {
    const auto root = layers.find(id);
    EXPECT_TRUE(root.has_value());
    if (!root) continue;
    found = true;
    for (std::size_t i = 0; i < contents.size(); ++i)
      EXPECT_EQ(test::slurp(*root / "app" / fmt::format("f{}", i)), contents[i]) << id;
  }
  return found;
}

class StoreFaults : public ::testing::TestWithParam<std::tuple<Change, int>> {
 protected:
  // Whatever is visible is whole; and what is acknowledged is visible.
  static void look(const Stores& stores, const std::filesystem::path& root, const Change& change,
                   bool acknowledged) {
    test::verified_blobs(root);
    const bool layer = has_layer(stores.layers);
    if (!acknowledged) return;
    for (const std::string& each : change.blobs) {
      const auto read = stores.blobs.read(sha256(each));
      EXPECT_TRUE(read && *read == each);
    }
    EXPECT_TRUE(layer || !change.layer);
  }
};

TEST_P(StoreFaults, EachOfTheDisksOperationsInTurn) {
  const auto& [change, error] = GetParam();
  for (int number = 1;; ++number) {
    SCOPED_TRACE(number);
    ASSERT_LT(number, 500) << "it never passes untouched";
    const TempDir directory = test::temp_dir();
    const std::filesystem::path& root = directory.path();
    Status outcome;
    bool failed = false;
    {
      Stores stores(root);
      ASSERT_TRUE(change.prepare(stores));
      DiskFaults::fail_at(number, error);
      outcome = change.make(stores);
      failed = DiskFaults::repair();
      look(stores, root, change, outcome.has_value());
      if (!outcome) {
        EXPECT_EQ(outcome.error().code, error == ENOSPC ? Errc::disk_full : Errc::io)
            << outcome.error().message;
        const Status again = change.make(stores);
        EXPECT_TRUE(again) << again.error().message;
        look(stores, root, change, true);
      }
    }
    const Stores stores(root);
    look(stores, root, change, true);
    if (!failed) {
      EXPECT_TRUE(outcome);
      break;
    }
    if (HasFailure()) break;
  }
}

// Power goes at each operation: it and what follows never happened, and only what was synced is
// left.
TEST_P(StoreFaults, ThePowerGoesAtEachOfTheDisksOperations) {
  const auto& [change, error] = GetParam();
  for (int number = 1;; ++number) {
    SCOPED_TRACE(number);
    ASSERT_LT(number, 500) << "it never passes untouched";
    const TempDir directory = test::temp_dir();
    const std::filesystem::path& root = directory.path();
    Status outcome;
    bool failed = false;
    {
      Stores stores(root);
      ASSERT_TRUE(change.prepare(stores));
      DiskFaults::remember(root);
      DiskFaults::fail_at(number, error);
      outcome = change.make(stores);
      failed = DiskFaults::repair();
    }
    DiskFaults::lose_what_was_not_synced(root);
    Stores stores(root);
    look(stores, root, change, outcome.has_value());
    EXPECT_TRUE(change.make(stores)) << "and it goes on";
    look(stores, root, change, true);
    if (!failed) break;
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, StoreFaults,
                         ::testing::Combine(::testing::ValuesIn(changes),
                                            ::testing::Values(EIO, ENOSPC)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + (std::get<1>(info.param) == EIO
                                                                      ? "OnABrokenDisk"
                                                                      : "OnAFullDisk");
                         });

}  // namespace
}  // namespace slipway
