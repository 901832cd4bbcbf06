#include "deploy/links.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <vector>

namespace slipway {
namespace {

struct Listening {
  Fd socket;
  sockaddr_in address{};
};

Listening listen_anywhere(int flags) {
  Listening out{.socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0))};
  out.address.sin_family = AF_INET;
  out.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof out.address;
  auto* generic = reinterpret_cast<sockaddr*>(&out.address);
  EXPECT_EQ(::bind(out.socket.get(), generic, length), 0);
  EXPECT_EQ(::listen(out.socket.get(), 512), 0);
  ::getsockname(out.socket.get(), generic, &length);
  return out;
}

Result<Fd> connect_to(const sockaddr_in& address, int flags) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS)
    return fail_errno(errno, "connect");
  return socket;
}

bool readable(const Fd& socket) {
  pollfd poll{.fd = socket.get(), .events = POLLIN, .revents = 0};
  return ::poll(&poll, 1, 60'000) == 1;
}

std::string read_some(const Fd& socket) {
  char bytes[64];
  if (!readable(socket)) return "(nothing)";
  const ssize_t got = ::recv(socket.get(), bytes, sizeof bytes, 0);
  return got > 0    ? std::string(bytes, static_cast<std::size_t>(got))
         : got == 0 ? "(end)"
                    : "(gone)";
}

TEST(Links, JoinsBothSidesByteByByteAndPassesTheEndOn) {
  Listening target = listen_anywhere(0), inside = listen_anywhere(SOCK_NONBLOCK);
  const auto links = Links::create().value();
  links->open("a", std::move(inside.socket),
              [&] { return connect_to(target.address, SOCK_NONBLOCK); });
  const Fd client = connect_to(inside.address, 0).value();
  ASSERT_TRUE(readable(target.socket));
  Fd server(::accept4(target.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_EQ(::send(client.get(), "ping", 4, 0), 4);
  EXPECT_EQ(read_some(server), "ping");
  ::shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(read_some(server), "(end)");
  ASSERT_EQ(::send(server.get(), "pong", 4, 0), 4) << "the other direction is still open";
  EXPECT_EQ(read_some(client), "pong");
  server = Fd();
  EXPECT_EQ(read_some(client), "(end)");
}

TEST(Links, AConnectionWaitsForTheOtherSideToBeReady) {
  Listening target = listen_anywhere(0), inside = listen_anywhere(SOCK_NONBLOCK);
  std::atomic<int> asked = 0;
  const auto links = Links::create().value();
  links->open("a", std::move(inside.socket), [&]() -> Result<Fd> {
    if (++asked < 3) return fail(Errc::unavailable, "it still starts");
    return connect_to(target.address, SOCK_NONBLOCK);
  });
  const Fd client = connect_to(inside.address, 0).value();
  ASSERT_EQ(::send(client.get(), "early", 5, 0), 5);
  ASSERT_TRUE(readable(target.socket));
  const Fd server(::accept4(target.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(read_some(server), "early");
  EXPECT_GE(asked.load(), 3);
}

// What one instance opens and leaves takes nothing from the others.
TEST(Links, AnOwnerHasAShareOfTheConnections) {
  Listening target = listen_anywhere(0);
  Listening greedy = listen_anywhere(SOCK_NONBLOCK), other = listen_anywhere(SOCK_NONBLOCK);
  const auto links = Links::create().value();
  links->open("greedy", std::move(greedy.socket),
              []() -> Result<Fd> { return fail(Errc::unavailable, "it never starts"); });
  links->open("other", std::move(other.socket),
              [&] { return connect_to(target.address, SOCK_NONBLOCK); });
  std::vector<Fd> held;
  for (std::size_t i = 0; i < Links::connections_per_owner; ++i)
    held.push_back(connect_to(greedy.address, 0).value());
  const Fd beyond = connect_to(greedy.address, 0).value();
  EXPECT_NE(read_some(beyond), "(nothing)") << "closed at once";
  const Fd client = connect_to(other.address, 0).value();
  ASSERT_EQ(::send(client.get(), "hello", 5, 0), 5);
  ASSERT_TRUE(readable(target.socket));
  const Fd server(::accept4(target.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_EQ(read_some(server), "hello");
  // A place that is given back is there for the next.
  held.clear();
  links->close("greedy");
}

TEST(Links, ClosingAnOwnerEndsItsConnections) {
  Listening target = listen_anywhere(0), inside = listen_anywhere(SOCK_NONBLOCK);
  const auto links = Links::create().value();
  links->open("a", std::move(inside.socket),
              [&] { return connect_to(target.address, SOCK_NONBLOCK); });
  const Fd client = connect_to(inside.address, 0).value();
  ASSERT_TRUE(readable(target.socket));
  const Fd server(::accept4(target.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  links->close("a");
  EXPECT_NE(read_some(client), "(nothing)");
  EXPECT_NE(read_some(server), "(nothing)");
}

}  // namespace
}  // namespace slipway
