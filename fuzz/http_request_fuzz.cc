// Arbitrary bytes as a request. Whatever the parser takes, it takes the same way in one piece and
// in two, and what the router would forward is again a request that it takes, with the same
// meaning: no input makes one request into two, or into another.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/head.h"
#include "router/forward.h"

namespace {

using namespace slipway;

void require(bool truth) {
  if (!truth) std::abort();
}

void check_forwarded(const RequestHead& head) {
  std::string out;
  append_upstream_head(head, {.remote_address = "192.0.2.1", .request_id = "id"}, out);
  RequestParser again(1u << 20);
  require(again.parse_head(out) == HeadProgress::complete);
  require(again.head_bytes() == out.size());
  const RequestHead& sent = again.head();
  require(sent.method == head.method && sent.target == head.target);
  require(sent.chunked == head.chunked && sent.content_length == head.content_length);
  require(!sent.upgrade || may_upgrade(head));
  int forwarded = 0;
  for (const HeadField& field : sent.fields) forwarded += field.kind == FieldKind::forwarded;
  require(forwarded == 3);  // ours: For, Proto, Host
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t cut = data[0] % size;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  RequestParser whole(64u << 10), halves(64u << 10);
  const HeadProgress progress = whole.parse_head(bytes);

  // The same bytes, the first part elsewhere in memory when the second comes.
  const std::string first = bytes.substr(0, cut);
  HeadProgress later = halves.parse_head(first);
  if (later == HeadProgress::need_more) later = halves.parse_head(bytes);
  require((progress == HeadProgress::complete) == (later == HeadProgress::complete));
  if (progress != HeadProgress::complete) return 0;
  const std::size_t head_bytes = whole.head_bytes();
  require(head_bytes == halves.head_bytes());
  require(whole.head().method == halves.head().method &&
          whole.head().target == halves.head().target &&
          whole.head().authority == halves.head().authority &&
          whole.head().fields.size() == halves.head().fields.size());
  (void)host_name(whole.head().authority);
  check_forwarded(whole.head());

  std::vector<std::string_view> pieces;
  std::string_view rest = std::string_view(bytes).substr(head_bytes);
  while (!whole.body_done() && !rest.empty()) {
    const BodyProgress body = whole.decode_body(rest, pieces);
    require(body.consumed <= rest.size());
    rest.remove_prefix(body.consumed);
    if (body.state != BodyProgress::State::need_more || body.consumed == 0) break;
  }
  return 0;
}
