#pragma once

// The labelled projects under tests/golden/detect, for tests. Also keeps the generated parts of
// docs/detection.md true: with SLIPWAY_ACCEPT=1 they are written, otherwise compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "model/tree.h"

namespace slipway::testing_corpus {

namespace fs = std::filesystem;

inline fs::path corpus() { return fs::path(SLIPWAY_SOURCE_DIR) / "tests/golden/detect"; }

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(corpus()))
    if (fs::exists(entry.path() / "expected.json")) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

inline MemoryTree load(const std::string& name) {
  MemoryTree tree;
  const fs::path root = corpus() / name / "in";
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file())
      tree.add(fs::relative(entry.path(), root).generic_string(), read_file(entry.path()));
  return tree;
}

// The text between "<!-- NAME: generated -->" and "<!-- NAME: end -->" of docs/detection.md.
inline void expect_section(const std::string& name, const std::string& text) {
  const fs::path path = fs::path(SLIPWAY_SOURCE_DIR) / "docs/detection.md";
  std::string page = read_file(path);
  const std::string open = "<!-- " + name + ": generated -->\n";
  const std::size_t from = page.find(open);
  const std::size_t to = page.find("<!-- " + name + ": end -->");
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << name;
  const std::size_t start = from + open.size();
  if (std::getenv("SLIPWAY_ACCEPT") != nullptr) {
    page.replace(start, to - start, text);
    std::ofstream(path, std::ios::binary) << page;
    return;
  }
  EXPECT_EQ(page.substr(start, to - start), text)
      << "docs/detection.md is out of date: run detect_test with SLIPWAY_ACCEPT=1";
}

}  // namespace slipway::testing_corpus
