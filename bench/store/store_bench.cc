// What a deploy pays in the store: scanning a folder, unpacking an upload, making layers. Each
// figure beside that of the bare tool that does the nearest thing. Usage: bench_store [DIRECTORY],
// a scratch directory on the file system to measure.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "model/manifest.h"
#include "store/blob_store.h"
#include "store/layer_store.h"
#include "store/workspace.h"
#include "sys/files.h"

namespace slipway {
namespace {

namespace fs = std::filesystem;

template <class T>
T must(Result<T> result) {
  if (result) return *std::move(result);
  fmt::print(stderr, "bench_store: {}\n", result.error().message);
  std::exit(1);
}
void must(const Status& status) {
  if (status) return;
  fmt::print(stderr, "bench_store: {}\n", status.error().message);
  std::exit(1);
}

void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) fmt::print(stderr, "bench_store: failed: {}\n", command);
}

double milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// The median of `times` runs; `prepare` is not measured.
double median(int times, const std::function<void(int)>& prepare,
              const std::function<void(int)>& work) {
  std::vector<double> took;
  for (int i = 0; i < times; ++i) {
    prepare(i);
    took.push_back(milliseconds([&] { work(i); }));
  }
  std::ranges::nth_element(took, took.begin() + times / 2);
  return took[static_cast<std::size_t>(times / 2)];
}

void row(std::string_view what, double ours, std::string_view with, double theirs) {
  fmt::print("{:<52} {:>9.2f} ms   {:<34} {:>9.2f} ms\n", what, ours, with, theirs);
}
void row(std::string_view what, double ours) { fmt::print("{:<52} {:>9.2f} ms\n", what, ours); }

void write(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string content(int file, int version) {
  std::string text = fmt::format("// file {} version {}\n", file, version);
  while (text.size() < 2000) text += fmt::format("export const v{} = {};\n", text.size(), file);
  return text;
}

void make_tree(const fs::path& folder, int files) {
  for (int i = 0; i < files; ++i)
    write(folder / fmt::format("src/m{}/c{}/f{}.js", i / 500, i / 25, i), content(i, 0));
  write(folder / ".gitignore",
        "*.log\nnode_modules/\n/dist/\n**/coverage/**\n.cache*\n!keep.log\n");
}

BlobStore::Reader reader_of(const std::string& bytes) {
  return [&bytes, at = std::size_t{0}](std::span<char> into) mutable -> Result<std::size_t> {
    const std::size_t size = std::min(into.size(), bytes.size() - at);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, into.begin());
    at += size;
    return size;
  };
}

std::string pack_of(const fs::path& folder, const Manifest& manifest,
                    const std::vector<Digest>& digests) {
  auto items = must(pack_items(folder, ScannedFolder{.manifest = manifest}, digests));
  std::string pack;
  must(write_pack(items, [&](std::string_view bytes) -> Status {
    pack += bytes;
    return {};
  }));
  return pack;
}

std::vector<Digest> digests_of(const Manifest& manifest) {
  std::vector<Digest> digests;
  for (const ManifestEntry& entry : manifest.entries) digests.push_back(entry.digest);
  return digests;
}

void bench_scan(const fs::path& root, int files) {
  const fs::path folder = root / fmt::format("tree-{}", files), cache = root / "stat-cache";
  make_tree(folder, files);
  const std::string git = fmt::format("git -C {} -c user.name=b -c user.email=b@localhost ",
                                      shell_quote(folder.string()));
  run(git + "init -q && " + git + "add -A && " + git + "commit -qm first");
  ::usleep(200'000);  // past the time in which a change might share a time stamp
  const auto nothing = [](int) {};
  const double cold =
      median(3, [&](int) { fs::remove(cache); }, [&](int) { must(scan_folder(folder, cache)); });
  const double git_cold =
      median(3, [&](int) { fs::remove(folder / ".git/index"); }, [&](int) { run(git + "add -A"); });
  row(fmt::format("scan {} files, no cache", files), cold, "git add -A, no index", git_cold);
  const double warm = median(9, nothing, [&](int) { must(scan_folder(folder, cache)); });
  const double git_warm = median(9, nothing, [&](int) { run(git + "status --porcelain"); });
  row(fmt::format("scan {} files, nothing changed", files), warm, "git status", git_warm);
  const auto change = [&](int i) {
    write(folder / "src/m0/c0/f1.js", content(1, i + 1));
    ::usleep(60'000);
  };
  const double one = median(9, change, [&](int) { must(scan_folder(folder, cache)); });
  row(fmt::format("scan {} files, one changed", files), one);

  // What a one-line change sends.
  const Manifest before = must(scan_folder(folder, cache)).manifest;
  change(100);
  const Manifest after = must(scan_folder(folder, cache)).manifest;
  const ManifestDelta delta_value = delta(before, after);
  std::vector<Digest> changed;
  std::uint64_t changed_bytes = 0;
  for (const ManifestEntry& entry : delta_value.changed) {
    changed.push_back(entry.digest);
    changed_bytes += entry.size;
  }
  fmt::print("one-line change of {} files: pack of {} bytes for a file of {} bytes\n", files,
             pack_of(folder, after, changed).size(), changed_bytes);
  const double parse =
      median(5, nothing, [&](int) { std::ignore = must(Manifest::parse(after.to_text())); });
  const double apply_ms =
      median(5, nothing, [&](int) { std::ignore = must(apply(before, delta_value)); });
  fmt::print("manifest of {} files: to_text + parse {:.2f} ms, apply a delta {:.2f} ms\n", files,
             parse, apply_ms);
}

void bench_unpack(const fs::path& root, int files) {
  const fs::path folder = root / fmt::format("upload-{}", files);
  make_tree(folder, files);
  const Manifest manifest = must(scan_folder(folder, root / "upload-cache")).manifest;
  const std::vector<Digest> digests = digests_of(manifest);
  std::string pack;
  const double packing =
      median(5, [](int) {}, [&](int) { pack = pack_of(folder, manifest, digests); });
  std::optional<BlobStore> store;
  const auto fresh = [&](int i) {
    const fs::path at = root / fmt::format("store-{}-{}", files, i);
    fs::create_directories(at);
    store = must(BlobStore::open(at));
  };
  const double ours =
      median(5, fresh, [&](int) { must(store->unpack(reader_of(pack), digests, 1ull << 32)); });
  const std::string what = fmt::format("unpack {} new files, durable", files);
  // One flush a file: of many files it would take minutes, and everybody else's disk time with it.
  constexpr int most_naive_files = 1000;
  if (files > most_naive_files) {
    row(what, ours);
  } else {
    const double naive = median(
        3, [&](int i) { fs::create_directories(root / fmt::format("naive-{}-{}", files, i)); },
        [&](int i) {
          for (std::size_t f = 0; f < manifest.entries.size(); ++f) {
            const std::string bytes = must(read_file(folder / manifest.entries[f].path));
            const Fd fd = must(
                open_file(root / fmt::format("naive-{}-{}/{}", files, i, f), O_WRONLY | O_CREAT));
            must(write_all(fd.get(), bytes));
            ::fsync(fd.get());
          }
        });
    row(what, ours, "write + fsync one by one", naive);
  }
  fmt::print("pack {} files: {:.2f} ms, {} for {}\n", files, packing, format_bytes(pack.size()),
             format_bytes(manifest.total_bytes()));
}

void bench_layers(const fs::path& root, int files) {
  const fs::path folder = root / fmt::format("layers-{}", files);
  const fs::path at = root / fmt::format("layer-store-{}", files);
  make_tree(folder, files);
  fs::create_directories(at);
  BlobStore blobs = must(BlobStore::open(at));
  LayerStore layers = must(LayerStore::open(at));
  Manifest manifest = must(scan_folder(folder, root / "layers-cache")).manifest;
  const std::vector<Digest> digests = digests_of(manifest);
  must(blobs.unpack(reader_of(pack_of(folder, manifest, digests)), digests, 1ull << 32));
  const double full = median(
      3, [&](int) { must(layers.collect([](auto) { return false; }, std::chrono::seconds(-2))); },
      [&](int) { std::ignore = must(layers.materialize(manifest, "app", blobs)); });
  const std::string copy =
      fmt::format("cp -al {} {}/copy", shell_quote(folder.string()), shell_quote(root.string()));
  const double cp = median(3, [&](int) { fs::remove_all(root / "copy"); }, [&](int) { run(copy); });
  row(fmt::format("materialize {} files", files), full, "cp -al", cp);
  Manifest changed;
  const double one = median(
      9,
      [&](int i) {
        changed = manifest;
        const std::string bytes = content(7, i + 1);
        changed.entries[7].digest = must(blobs.put(bytes));
        changed.entries[7].size = bytes.size();
      },
      [&](int) { std::ignore = must(layers.materialize(changed, "app", blobs, &manifest)); });
  row(fmt::format("materialize a one-file change of {} files", files), one);
  const double find = median(5, [](int) {}, [&](int) { std::ignore = blobs.missing(digests); });
  fmt::print("missing() of {} blobs: {:.2f} ms\n", digests.size(), find);
}

int run_all(const fs::path& parent) {
  const TempDir root = must(TempDir::create(parent, "bench-store-"));
  for (const int files : {100, 10'000}) {
    bench_scan(root.path(), files);
    bench_unpack(root.path(), files);
    bench_layers(root.path(), files);
  }
  return 0;
}

}  // namespace
}  // namespace slipway

int main(int argc, char** argv) {
  return slipway::run_all(argc > 1 ? argv[1] : std::filesystem::temp_directory_path());
}
