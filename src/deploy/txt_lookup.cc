#include "deploy/txt_lookup.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <charconv>
#include <optional>

#include "base/text.h"

namespace slipway {
namespace {

// One resolver's state; a thread's own.
class Resolver {
 public:
  explicit Resolver(const std::optional<sockaddr_in>& server) {
    usable_ = ::res_ninit(&state_) == 0;
    state_.retrans = 3;
    state_.retry = 2;
    // The name is whole: nothing is tried after it, and no file answers.
    state_.options &= ~static_cast<unsigned long>(RES_DNSRCH | RES_DEFNAMES);
    if (server) {
      state_.nscount = 1;
      state_.nsaddr_list[0] = *server;
    }
  }
  ~Resolver() {
    if (usable_) ::res_nclose(&state_);
  }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  Result<std::vector<std::string>> texts(const std::string& name) {
    std::vector<unsigned char> answer(64u << 10);
    const int size = usable_ ? ::res_nquery(&state_, name.c_str(), ns_c_in, ns_t_txt, answer.data(),
                                            static_cast<int>(answer.size()))
                             : -1;
    if (size < 0) {
      if (usable_ && (state_.res_h_errno == HOST_NOT_FOUND || state_.res_h_errno == NO_DATA))
        return std::vector<std::string>();
      return fail(Errc::unavailable, fmt::format("no name server answers for {}", name),
                  "try again later");
    }
    ns_msg message{};
    if (::ns_initparse(answer.data(), size, &message) != 0)
      return fail(Errc::unavailable, fmt::format("the answer for {} is damaged", name));
    std::vector<std::string> out;
    for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
      ns_rr record{};
      if (::ns_parserr(&message, ns_s_an, i, &record) != 0) break;
      if (ns_rr_type(record) == ns_t_txt) out.push_back(text_of(record));
    }
    return out;
  }

 private:
  // A record is one text in pieces of up to 255 bytes.
  static std::string text_of(const ns_rr& record) {
    std::string text;
    const unsigned char* at = ns_rr_rdata(record);
    const unsigned char* const end = at + ns_rr_rdlen(record);
    while (at < end) {
      const std::size_t length = std::min<std::size_t>(*at, static_cast<std::size_t>(end - at - 1));
      ++at;
      text.append(reinterpret_cast<const char*>(at), length);
      at += length;
    }
    return text;
  }

  struct __res_state state_{};
  bool usable_ = false;
};

}  // namespace

Result<TxtLookup> make_txt_lookup(std::string_view server) {
  std::optional<sockaddr_in> address;
  if (!server.empty()) {
    const std::size_t colon = server.find(':');
    const std::string host(server.substr(0, colon));
    int port = 53;
    bool good = true;
    if (colon != std::string_view::npos) {
      const std::string_view number = server.substr(colon + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), port);
      good =
          error == std::errc{} && end == number.data() + number.size() && port > 0 && port < 65'536;
    }
    sockaddr_in parsed{.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(port))};
    if (!good || ::inet_pton(AF_INET, host.c_str(), &parsed.sin_addr) != 1)
      return fail(
          Errc::invalid_argument,
          fmt::format("domains.resolver: '{}' is not ADDR or ADDR:PORT", sanitize_line(server)),
          "such as 127.0.0.53 or 192.0.2.1:5353");
    address = parsed;
  }
  return [address](const std::string& name) { return Resolver(address).texts(name); };
}

}  // namespace slipway
