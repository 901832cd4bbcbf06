#include "cli/stream.h"

#include <utility>

namespace slipway::cli {
namespace {

constexpr std::size_t longest_line = 8u << 20;

}  // namespace

Status LineSplitter::feed(std::string_view bytes, const Take& take) {
  while (!bytes.empty()) {
    const auto end = bytes.find('\n');
    if (end == std::string_view::npos) {
      rest_ += bytes;
      if (rest_.size() > longest_line)
        return fail(Errc::too_large, "the server sent a line that does not end");
      return {};
    }
    std::string joined;
    std::string_view line = bytes.substr(0, end);
    if (!rest_.empty()) {
      joined = std::exchange(rest_, {}).append(line);
      line = joined;
    }
    bytes.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    SLIPWAY_CHECK(take(line));
  }
  return {};
}

Status SseParser::feed(std::string_view bytes, const Take& take) {
  return lines_.feed(bytes, [&](std::string_view line) -> Status {
    if (line.empty()) {
      const std::string event = std::exchange(event_, {}), data = std::exchange(data_, {});
      last_id_ = id_;  // only a whole event moves the place to go on from
      return data.empty() ? Status{} : take(event.empty() ? "message" : event, data);
    }
    const auto colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "id") id_ = value;
    if (field == "event") event_ = value;
    if (field == "data") {
      if (data_.size() + value.size() > longest_line)
        return fail(Errc::too_large, "the server sent an event that does not end");
      if (!data_.empty()) data_ += '\n';
      data_ += value;
    }
    return {};
  });
}

}  // namespace slipway::cli
