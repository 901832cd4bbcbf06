#include "deploy/events.h"

#include <gtest/gtest.h>

#include <thread>

namespace slipway {
namespace {

using namespace std::chrono_literals;

std::string line_of(const std::optional<DeployEvent>& event) {
  const LogEvent* log = event ? std::get_if<LogEvent>(&*event) : nullptr;
  return log == nullptr ? "" : log->line;
}

TEST(EventFeed, EveryWatcherSeesEverythingFromTheStart) {
  EventFeed feed;
  feed.add(LogEvent{.line = "one"});
  feed.add(LogEvent{.line = "two"});
  feed.finish();
  for (int watcher = 0; watcher < 2; ++watcher) {
    std::uint64_t cursor = 0;
    EXPECT_EQ(line_of(feed.next(cursor, 0ms)), "one");
    EXPECT_FALSE(feed.finished(cursor));
    EXPECT_EQ(line_of(feed.next(cursor, 0ms)), "two");
    EXPECT_TRUE(feed.finished(cursor));
  }
}

TEST(EventFeed, KeepsTheNewestWhenThereAreTooMany) {
  EventFeed feed;
  for (int i = 0; i < 5000; ++i) feed.add(LogEvent{.line = std::to_string(i)});
  std::uint64_t cursor = 0;
  EXPECT_EQ(line_of(feed.next(cursor, 0ms)), "1000");
}

TEST(EventHub, ClosingWakesTheWatchersAndForgetsTheFeed) {
  EventHub hub;
  const DeploymentId id = DeploymentId::random();
  const auto feed = hub.open(id);
  std::jthread watcher([&] {
    std::uint64_t cursor = 0;
    while (!feed->finished(cursor)) std::ignore = feed->next(cursor, 10s);
  });
  hub.close(id);
  watcher.join();
  EXPECT_EQ(hub.find(id), nullptr);
}

}  // namespace
}  // namespace slipway
