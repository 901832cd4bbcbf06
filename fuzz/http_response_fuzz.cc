// Arbitrary bytes as an app's answer: what the router would send to the client is again an answer
// that it takes, with the same status and without a cookie for the platform's domain.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "http/head.h"
#include "router/forward.h"

namespace {

using namespace slipway;

void require(bool truth) {
  if (!truth) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  ResponseParser parser(64u << 10);
  parser.reset(ResponseParser::To::other_request);
  if (parser.parse_head(bytes) != HeadProgress::complete) return 0;
  const std::size_t head_bytes = parser.head_bytes();

  std::string out;
  append_client_head(parser.head(),
                     {.framing = BodyFraming::chunked,
                      .host = "app.localhost",
                      .domain = "localhost",
                      .request_id = "id"},
                     out);
  ResponseParser again(1u << 20);
  again.reset(ResponseParser::To::other_request);
  require(again.parse_head(out) == HeadProgress::complete);
  require(again.head_bytes() == out.size());
  require(again.head().status == parser.head().status);
  for (const HeadField& field : again.head().fields) {
    if (field.kind != FieldKind::set_cookie) continue;
    // The first part is the cookie itself, which may well be called "domain".
    const std::string value = to_lower(field.value);
    for (const std::string_view part : split(value, ';'))
      require(part.data() == value.data() || trim(part) != "domain=localhost");
  }

  std::vector<std::string_view> pieces;
  std::string_view rest = std::string_view(bytes).substr(head_bytes);
  while (!parser.body_done() && !rest.empty()) {
    const BodyProgress body = parser.decode_body(rest, pieces);
    require(body.consumed <= rest.size());
    rest.remove_prefix(body.consumed);
    if (body.state != BodyProgress::State::need_more || body.consumed == 0) break;
  }
  return 0;
}
