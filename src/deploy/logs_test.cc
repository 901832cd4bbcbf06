#include "deploy/logs.h"

#include <gtest/gtest.h>

#include <fstream>

#include "sys/files.h"

namespace slipway {
namespace {

class LogsTest : public ::testing::Test {
 protected:
  TempDir directory =
      TempDir::create(std::filesystem::temp_directory_path(), "slipway-logs-").value();

  void write(const std::string& file, const std::string& text) {
    std::ofstream(directory.path() / file, std::ios::app) << text;
  }
  static std::vector<std::string> read_all(LogReader& reader) {
    std::vector<std::string> out;
    for (;;) {
      const auto line = reader.next().value();
      if (!line) return out;
      out.push_back(line->line);
    }
  }
};

using Lines = std::vector<std::string>;

TEST_F(LogsTest, ReadsRotatedFilesFromTheOldestOn) {
  write("2.log", "1 o one\n2 e two\n");
  write("1.log", "3 o three\n");
  write("current.log", "4 o four\n");
  LogReader reader(directory.path());
  EXPECT_EQ(read_all(reader), (Lines{"one", "two", "three", "four"}));
}

TEST_F(LogsTest, GoesOnWhileTheLogGrowsAndRotates) {
  LogReader reader(directory.path());
  EXPECT_EQ(read_all(reader), Lines{});
  write("current.log", "1 o one\n2 o tw");
  EXPECT_EQ(read_all(reader), Lines{"one"});
  write("current.log", "o\n");
  std::filesystem::rename(directory.path() / "current.log", directory.path() / "1.log");
  write("current.log", "3 o three\n");
  EXPECT_EQ(read_all(reader), (Lines{"two", "three"}));
}

TEST_F(LogsTest, SkipsRecordsThatACrashCutShort) {
  write("current.log", "1 o one\n2\n\n3 o three\n");
  LogReader reader(directory.path());
  EXPECT_EQ(read_all(reader), (Lines{"one", "three"}));
}

TEST_F(LogsTest, AWriterMakesWholeLinesOfPieces) {
  const ManualClock clock;
  const auto writer = BuildLog::create(directory.path() / "build", clock, 1 << 20).value();
  Lines seen;
  const auto on_line = [&](std::string_view line) { seen.emplace_back(line); };
  writer->append("added 1 pack", on_line);
  writer->append("age\r\n10%\r50%\rdone\npart", on_line);
  writer->flush(on_line);
  EXPECT_EQ(seen, (Lines{"added 1 package", "done", "part"}));
  LogReader reader(directory.path() / "build");
  EXPECT_EQ(read_all(reader), seen);
  EXPECT_EQ(writer->tail(), "added 1 package\ndone\npart\n");
}

TEST_F(LogsTest, AWriterStopsAtItsLimitAndSaysSo) {
  const ManualClock clock;
  const auto writer = BuildLog::create(directory.path() / "build", clock, 10).value();
  writer->append("12345\n1234567\nmore\n", [](std::string_view) {});
  LogReader reader(directory.path() / "build");
  EXPECT_EQ(read_all(reader),
            (Lines{"12345", "(more output was left out: the log's limit is reached)"}));
}

}  // namespace
}  // namespace slipway
