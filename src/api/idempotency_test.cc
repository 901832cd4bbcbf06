#include "api/idempotency.h"

#include <gtest/gtest.h>

#include <latch>
#include <stdexcept>

#include "base/task_group.h"

namespace slipway {
namespace {

const Digest request = sha256("POST /v1/plan");

IdempotentReplies::Work answering(std::string body, int status = 200) {
  return [body = std::move(body), status] { return ApiResponse{.status = status, .body = body}; };
}
// Whether the answer to the key is kept.
bool kept(IdempotentReplies& replies, const std::string& key) {
  bool again = false;
  std::ignore = replies.reply("ann", key, request, [&] {
    again = true;
    return ApiResponse{.status = 503};
  });
  return !again;
}

TEST(IdempotentReplies, TheSameRequestIsCarriedOutOnce) {
  IdempotentReplies replies;
  ASSERT_TRUE(replies.reply("ann", "k", request, answering("one")));
  const auto again = replies.reply("ann", "k", request, answering("two"));
  EXPECT_EQ(std::get<std::string>(again->body), "one");
  EXPECT_EQ(replies.reply("ann", "k", sha256("another"), answering("")).error().code,
            Errc::conflict);
}

// The key stayed "in progress": each repetition waited for ever and kept a thread of the API.
TEST(IdempotentReplies, AHandlerThatThrowsLeavesItsKeyFree) {
  IdempotentReplies replies({.wait = Duration{0}});
  EXPECT_THROW(std::ignore = replies.reply(
                   "ann", "k", request, []() -> ApiResponse { throw std::runtime_error("bug"); }),
               std::runtime_error);
  const auto again = replies.reply("ann", "k", request, answering("now"));
  ASSERT_TRUE(again);
  EXPECT_EQ(std::get<std::string>(again->body), "now");
}

TEST(IdempotentReplies, TheWaitForAnotherOneEnds) {
  IdempotentReplies replies({.wait = Duration{1}});
  std::latch begun(1), end(1);
  TaskGroup group("first", 1);
  ASSERT_TRUE(group.start([&](const std::stop_token&) {
    std::ignore = replies.reply("ann", "k", request, [&] {
      begun.count_down();
      end.wait();
      return ApiResponse{.status = 200, .body = std::string("done")};
    });
  }));
  begun.wait();
  const auto impatient = replies.reply("ann", "k", request, answering("twice"));
  end.count_down();
  group.join();
  ASSERT_FALSE(impatient);
  EXPECT_EQ(impatient.error().code, Errc::unavailable);
  EXPECT_EQ(std::get<std::string>(replies.reply("ann", "k", request, answering(""))->body), "done");
}

// 25 answers of 16 MB to 60 bytes each made a gigabyte of the server's memory.
TEST(IdempotentReplies, TheirBytesAreBoundedInAllAndForEachOwner) {
  IdempotentReplies replies(
      {.bytes = 40'000, .bytes_each_owner = 20'000, .bytes_each_answer = 8'000});
  for (int i = 0; i < 50; ++i)
    for (const char* owner : {"ann", "bob", "cid"})
      ASSERT_TRUE(replies.reply(owner, fmt::format("{}{}", owner, i), request,
                                answering(std::string(7'000, 'x'))));
  EXPECT_LE(replies.counts().bytes, 40'000u);
  EXPECT_GE(replies.counts().answers, 4u);
  ASSERT_TRUE(replies.reply("ann", "large", request, answering(std::string(8'001, 'x'))));
  EXPECT_FALSE(kept(replies, "large"));
}

TEST(IdempotentReplies, WhoAsksOftenTakesNothingFromOthers) {
  IdempotentReplies replies({.answers_each_owner = 10});
  ASSERT_TRUE(replies.reply("ann", "hers", request, answering("x")));
  for (int i = 0; i < 1'000; ++i)
    ASSERT_TRUE(replies.reply("bot", fmt::format("{}", i), request, answering("x")));
  EXPECT_TRUE(kept(replies, "hers"));
  EXPECT_TRUE(kept(replies, "999"));
  EXPECT_FALSE(kept(replies, "989"));
  EXPECT_EQ(replies.counts().answers, 11u);
}

TEST(IdempotentReplies, APassingFailureIsNotKept) {
  IdempotentReplies replies;
  ASSERT_TRUE(replies.reply("ann", "k", request, answering("busy", 503)));
  EXPECT_FALSE(kept(replies, "k"));
  EXPECT_EQ(replies.counts().answers, 0u);
}

}  // namespace
}  // namespace slipway
