#include "cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/testing/world.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

const Style plain_unicode{.color = false, .live = true, .unicode = true, .width = 60};

ProgressModel sample() {
  ProgressModel model;
  model.update({.name = "hash", .state = "done", .detail = "12 files, 35 KB", .took = 2ms});
  model.update({.name = "scan", .state = "skipped"});
  model.update({.name = "install", .state = "running", .detail = "npm ci", .started = 10s});
  model.log_line = "added 57 packages in 3s";
  return model;
}

TEST(RenderLive, ShowsStepsTimesAndTheNewestLogLine) {
  EXPECT_THAT(render_live(sample(), 14'160ms, plain_unicode),
              ElementsAre("  ✓ hash          2ms  12 files, 35 KB", "  ⠹ install      4.1s  npm ci",
                          "    added 57 packages in 3s"));
}

TEST(RenderLive, ManagesWithAscii) {
  const Style ascii{.live = true, .width = 60};
  EXPECT_THAT(render_live(sample(), 14'160ms, ascii),
              ElementsAre("  + hash          2ms  12 files, 35 KB", "  | install      4.1s  npm ci",
                          "    added 57 packages in 3s"));
}

TEST(RenderLive, KeepsToTheWidthOfANarrowTerminal) {
  Style narrow = plain_unicode;
  for (narrow.width = 1; narrow.width < 60; ++narrow.width)
    for (const std::string& line : render_live(sample(), 14s, narrow))
      EXPECT_LE(display_width(line), static_cast<std::size_t>(narrow.width - 1)) << line;
  narrow.width = 30;
  EXPECT_EQ(render_live(sample(), 14s, narrow)[0], "  ✓ hash          2ms  12 fi…");
}

TEST(RenderLive, DefusesWhatAnAppWrites) {
  ProgressModel model;
  model.update({.name = "build", .state = "running", .detail = "\x1b]0;title\x07"});
  model.log_line = "\x1b[2J\x1b[31mred\x1b[0m";
  EXPECT_THAT(render_live(model, 0s, plain_unicode),
              ElementsAre("  ⠋ build         0ms  \\x1b]0;title\\x07", "    \\x1b[2Jred"));
}

TEST(RenderLive, SaysWhatItWaitsForOnlyWhileNothingRuns) {
  ProgressModel model;
  model.waiting_for = "waiting for a free build slot";
  EXPECT_THAT(render_live(model, 0s, plain_unicode),
              ElementsAre("  waiting for a free build slot"));
  model.update({.name = "build", .state = "running"});
  EXPECT_THAT(render_live(model, 0s, plain_unicode), ElementsAre("  ⠋ build         0ms"));
}

TEST(RenderPlain, HasALineForEachState) {
  EXPECT_EQ(render_plain({.name = "install", .state = "running", .detail = "npm ci"}),
            "install started: npm ci");
  EXPECT_EQ(render_plain({.name = "install", .state = "done", .detail = "npm ci", .took = 4200ms}),
            "install done in 4.2s: npm ci");
  EXPECT_EQ(render_plain({.name = "install", .state = "cached", .detail = "npm ci"}),
            "install cached: npm ci");
  EXPECT_EQ(render_plain({.name = "build", .state = "failed", .took = 65s}),
            "build failed in 1m05s");
  EXPECT_EQ(render_plain({.name = "scan", .state = "skipped"}), "");
}

TEST(ProgressView, RewritesItsLinesAndLeavesThemAtTheEnd) {
  World w;
  w.env.err = ::memfd_create("err", MFD_CLOEXEC);
  w.env.err_tty = true;
  Console console(w.env);
  const ManualClock clock;
  {
    ProgressView view(console, clock, ProgressView::Mode::live, ProgressView::BuildLog::last_line);
    view.start("build", "npm run build");
    view.end("build", "done", 20ms, "");
    view.finish();
    view.start("late", "");
  }
  std::string written(static_cast<std::size_t>(::lseek(w.env.err, 0, SEEK_END)), '\0');
  ASSERT_EQ(::pread(w.env.err, written.data(), written.size(), 0),
            static_cast<ssize_t>(written.size()));
  EXPECT_THAT(written, HasSubstr("\x1b[1A\r\x1b[2K"));
  EXPECT_THAT(written, HasSubstr("build"));
  EXPECT_THAT(written, testing::Not(HasSubstr("late")));
  ::close(w.env.err);
}

TEST(RenderError, ShowsWhereAndWhatNext) {
  Error error{.code = Errc::build_failed,
              .message = "npm ci exited with code 1",
              .hint = "run npm install and deploy again",
              .phase = "install",
              .command = "npm ci",
              .exit_code = 1,
              .cause = "lockfile_mismatch",
              .file = "package.json",
              .line = 12,
              .excerpt = {"Missing: left-pad\x1b[2J"},
              .next = {{"npm install", "to mend the lockfile"}}};
  EXPECT_EQ(render_error(error, {.unicode = true}),
            "error: npm ci exited with code 1\n"
            "  phase    install\n"
            "  command  npm ci (exit code 1)\n"
            "  cause    lockfile_mismatch\n"
            "  at       package.json:12\n"
            "  │ Missing: left-pad\\x1b[2J\n"
            "  hint     run npm install and deploy again\n"
            "  next     npm install  to mend the lockfile\n");
}

TEST(RenderError, ShowsTheEndOfTheLogUnlessTheExcerptHasIt) {
  const Error error{.code = Errc::build_failed, .message = "m", .excerpt = {"a", "b"}};
  EXPECT_THAT(render_error(error, {}, {"a", "b"}), testing::Not(HasSubstr("ends with")));
  EXPECT_THAT(render_error(error, {}, {"b", "c"}), HasSubstr("the log ends with\n  | b\n  | c\n"));
}

TEST(Times, ReadWell) {
  EXPECT_EQ(format_took(999ms), "999ms");
  EXPECT_EQ(format_took(59'940ms), "59.9s");
  EXPECT_EQ(format_took(61s), "1m01s");
  const Timestamp now = Timestamp{} + 1000h;
  EXPECT_EQ(format_when(to_rfc3339(now - 90s), now), "1m ago");
  EXPECT_EQ(format_when(to_rfc3339(now + 72h - 1s), now), "in 3d");
  EXPECT_EQ(format_when(to_rfc3339(now + 24h - 1s), now), "in 24h");
  EXPECT_EQ(format_when("\x1b[2J", now), "\\x1b[2J");
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("añ…"), 3u);
  EXPECT_EQ(display_width("日本"), 4u);
  EXPECT_EQ(display_width("\x1b[31mred\x1b[0m"), 3u);
  EXPECT_EQ(clip("日本語", 5, {.unicode = true}), "日本…");
}

}  // namespace
}  // namespace slipway::cli
