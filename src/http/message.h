#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// ASCII case-insensitive equality, as header names compare.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first value of `name` (case-insensitive), or nothing.
[[nodiscard]] std::optional<std::string_view> find_header(const HttpHeaders& headers,
                                                          std::string_view name);

// A request to Slipway's own API, complete: the body was read before the handler is called. Bodies
// above 1 MiB lie in an unlinked temporary file.
struct ApiRequest {
  std::string method;
  std::string path;                                        // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  HttpHeaders headers;
  std::string remote_address;
  std::string body;  // when small
  Fd body_file;      // when large; positioned at 0
  std::uint64_t body_bytes = 0;

  [[nodiscard]] std::optional<std::string_view> query_value(std::string_view name) const;
};

// Where a streaming answer (SSE, log following) is written. Blocks for back-pressure, 30 s at most.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  // Errors: canceled when the client is gone or the server stops.
  [[nodiscard]] virtual Status write(std::string_view bytes) = 0;
  [[nodiscard]] virtual bool closed() const = 0;
};

struct ApiResponse {
  using Stream =
      std::function<void(StreamWriter&)>;  // runs on a thread of its own until it returns
  struct File {
    Fd fd;
    std::uint64_t bytes = 0;
  };
  int status = 200;
  HttpHeaders headers;
  std::variant<std::string, File, Stream> body;
};

// Called on a worker thread; may block. Thread-safe.
using ApiHandler = std::function<ApiResponse(ApiRequest&)>;

}  // namespace slipway
