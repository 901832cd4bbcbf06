#include "deploy/txt_lookup.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <map>
#include <thread>

#include "sys/fd.h"

namespace slipway {
namespace {

// A name server with some TXT records, each text in pieces of at most 255 bytes.
class TinyDns {
 public:
  explicit TinyDns(std::map<std::string, std::vector<std::string>> records)
      : records_(std::move(records)), socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  [[nodiscard]] std::string address() const { return fmt::format("127.0.0.1:{}", port_); }

 private:
  void serve(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd poll{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&poll, 1, 20) <= 0) continue;
      std::string query(1500, '\0');
      sockaddr_in from{};
      socklen_t length = sizeof from;
      const ssize_t n = ::recvfrom(socket_.get(), query.data(), query.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
      if (n < 17) continue;
      query.resize(static_cast<std::size_t>(n));
      const std::string answer = answer_to(query);
      std::ignore = ::sendto(socket_.get(), answer.data(), answer.size(), 0,
                             reinterpret_cast<sockaddr*>(&from), length);
    }
  }

  [[nodiscard]] std::string answer_to(const std::string& query) const {
    std::string name;
    std::size_t at = 12;
    while (at < query.size() && query[at] != 0) {
      const auto size = static_cast<unsigned char>(query[at]);
      name += (name.empty() ? "" : ".") + query.substr(at + 1, size);
      at += size + 1u;
    }
    const std::string question = query.substr(12, at + 5 - 12);
    const auto found = records_.find(name);
    const bool known = found != records_.end();
    std::string out = query.substr(0, 2) + std::string("\x81", 1) + (known ? '\x80' : '\x83');
    out += std::string("\0\1\0", 3) + static_cast<char>(known ? found->second.size() : 0);
    out += std::string(4, '\0') + question;
    if (!known) return out;
    for (const std::string& text : found->second) {
      std::string data;
      for (std::size_t from = 0; from < text.size(); from += 255) {
        const std::string piece = text.substr(from, 255);
        data += static_cast<char>(piece.size());
        data += piece;
      }
      out += std::string("\xc0\x0c\0\x10\0\1\0\0\0\1", 10);
      out += static_cast<char>(data.size() >> 8);
      out += static_cast<char>(data.size() & 0xff);
      out += data;
    }
    return out;
  }

  std::map<std::string, std::vector<std::string>> records_;
  Fd socket_;
  int port_ = 0;
  std::jthread thread_;
};

TEST(TxtLookup, GivesAllTextsOfAName) {
  const std::string longest(400, 'x');
  const TinyDns dns({{"_slipway-challenge.shop.example.com", {"one", longest}}});
  const auto lookup = make_txt_lookup(dns.address());
  ASSERT_TRUE(lookup) << lookup.error().message;
  const auto texts = (*lookup)("_slipway-challenge.shop.example.com");
  ASSERT_TRUE(texts) << texts.error().message;
  EXPECT_EQ(*texts, (std::vector<std::string>{"one", longest}));
}

TEST(TxtLookup, ANameWithoutRecordsHasNone) {
  const TinyDns dns({});
  const auto texts = (*make_txt_lookup(dns.address()))("no.example.com");
  ASSERT_TRUE(texts) << texts.error().message;
  EXPECT_TRUE(texts->empty());
}

TEST(TxtLookup, NobodyThereIsAnErrorAndNoAnswer) {
  // A port that was free a moment ago: connections to it are refused at once.
  std::string gone;
  {
    gone = TinyDns({}).address();
  }
  const auto texts = (*make_txt_lookup(gone))("shop.example.com");
  ASSERT_FALSE(texts);
  EXPECT_EQ(texts.error().code, Errc::unavailable);
}

TEST(TxtLookup, RefusesWhatIsNoAddress) {
  for (const char* server : {"example.com", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1",
                             "127.0.0.1:53 ", "-1"})
    EXPECT_FALSE(make_txt_lookup(server)) << server;
  EXPECT_TRUE(make_txt_lookup(""));
  EXPECT_TRUE(make_txt_lookup("192.0.2.1"));
}

}  // namespace
}  // namespace slipway
