// How long detection takes: over the labelled corpus, and over made-up trees of 1,000 to 100,000
// files, read from disk. Budgets (DESIGN.md §7): 10 ms a typical app, 100 ms for 100,000 files.
//
//   bench_detect            the table
//   bench_detect DIR...     the account of each folder, and its time
#include "detect/detect.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "detect/describe.h"

namespace {

namespace fs = std::filesystem;
using slipway::MemoryTree;
using slipway::Result;
using slipway::Tree;

// A folder on disk, listed once; files are read when asked for.
class DiskTree final : public Tree {
 public:
  explicit DiskTree(fs::path root) : root_(std::move(root)) {
    for (auto at = fs::recursive_directory_iterator(root_);
         at != fs::recursive_directory_iterator(); ++at) {
      const std::string name = at->path().filename();
      if (at->is_directory() && (name == ".git" || name == "node_modules" || name == ".venv"))
        at.disable_recursion_pending();
      if (at->is_regular_file())
        files_.push_back(
            {.path = fs::relative(at->path(), root_).generic_string(), .size = at->file_size()});
    }
    std::ranges::sort(files_, {}, &File::path);
  }
  [[nodiscard]] const std::vector<File>& files() const override { return files_; }
  [[nodiscard]] Result<std::string> read(std::string_view path, std::size_t limit) const override {
    std::ifstream file(root_ / path, std::ios::binary);
    if (!file) return slipway::fail(slipway::Errc::not_found, "no such file");
    std::string text(limit, '\0');
    file.read(text.data(), static_cast<std::streamsize>(limit));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
  }

 private:
  fs::path root_;
  std::vector<File> files_;
};

double milliseconds(const Tree& tree) {
  const auto start = std::chrono::steady_clock::now();
  const slipway::Plan plan = slipway::detect(tree);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  return plan.services.size() > 1'000'000 ? 0 : took.count();
}

void row(const std::string& what, std::vector<double> times, double budget) {
  std::ranges::sort(times);
  const auto at = [&](double share) {
    return times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
  };
  fmt::print("{:<34} {:>6} {:>9.2f} {:>9.2f} {:>9.2f} {:>9.0f}\n", what, times.size(), at(0.5),
             at(0.99), times.back(), budget);
}

// A React project with an API, spread over many modules, and what tools leave behind.
MemoryTree made_up(int files) {
  MemoryTree tree;
  const std::string source =
      "import React from 'react';\nimport { get } from '../api/client';\n"
      "export function Panel({ title }) {\n  const url = process.env.API_URL || "
      "'http://localhost';\n"
      "  return <section><h2>{title}</h2><p>Don't panic</p>{get(url)}</section>;\n}\n";
  std::string body;
  for (int i = 0; i < 12; ++i) body += source;
  tree.add(
      "package.json",
      R"({"name":"big","scripts":{"build":"vite build"},"dependencies":{"react":"18"},"devDependencies":{"vite":"5"}})");
  tree.add("package-lock.json", "{}");
  for (int i = 0; i < files; ++i) {
    const int kind = i % 4;
    const std::string folder = kind == 0   ? "src/module"
                               : kind == 1 ? "content/posts"
                               : kind == 2 ? "public/img"
                                           : "node_modules/pkg";
    tree.add(fmt::format("{}{:05}/file{:06}.{}", folder, i / 40, i,
                         kind == 0   ? "tsx"
                         : kind == 1 ? "md"
                         : kind == 2 ? "png"
                                     : "js"),
             kind == 0 ? body : "text\n");
  }
  return tree;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) {
    for (int i = 1; i < argc; ++i) {
      const DiskTree tree(argv[i]);
      const slipway::Plan plan = slipway::detect(tree);
      fmt::print("== {} ({} files, {:.2f} ms)\n{}\n", argv[i], tree.files().size(),
                 milliseconds(tree), slipway::describe(plan));
    }
    return 0;
  }
  fmt::print("{:<34} {:>6} {:>9} {:>9} {:>9} {:>9}\n", "detection, ms", "runs", "p50", "p99", "max",
             "budget");
  std::vector<double> times;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(SLIPWAY_SOURCE_DIR) / "tests/golden/detect")) {
    if (!fs::exists(entry.path() / "in")) continue;
    const DiskTree tree(entry.path() / "in");
    for (int i = 0; i < 10; ++i) times.push_back(milliseconds(tree));
  }
  row("labelled corpus, from disk", times, 10);
  for (const int files : {1'000, 10'000, 100'000}) {
    const MemoryTree tree = made_up(files);
    times.clear();
    for (int i = 0; i < 15; ++i) times.push_back(milliseconds(tree));
    row(fmt::format("made-up tree, {} files", files), times, files > 1'000 ? 100 : 10);
  }
  return 0;
}
