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

#include "base/limiter.h"
#include "base/result.h"
#include "sys/fd.h"

namespace slipway {

// ASCII case-insensitive equality, as header names compare.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first value of `name` (case-insensitive), or nothing.
[[nodiscard]] std::optional<std::string_view> find_header(const HttpHeaders& headers,
                                                          std::string_view name);

// A body that is read as it comes.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  // Waits for some bytes; 0 is the end. Errors: canceled when the client is gone, or sends what is
  // no body.
  [[nodiscard]] virtual Result<std::size_t> read(std::span<char> into) = 0;
};

// A request to Slipway's own API. Its body is whole before the handler is called, or, for uploads,
// read by the handler as it comes.
struct ApiRequest {
  std::string method;
  std::string path;                                        // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  HttpHeaders headers;
  std::string remote_address;
  std::string body;                        // when it is whole
  std::shared_ptr<BodyReader> body_comes;  // of an upload
  std::uint64_t body_bytes = 0;            // as announced, or as it came
  std::shared_ptr<void> admitted;          // what Api::admit() keeps for Api::answer()

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

// What a call costs the server while it is answered: calls of one kind wait for each other only.
enum class CallKind : std::uint8_t {
  call,    // answered from what is known here
  brake,   // must work when nothing else does: kill, revoke, roll back, reject
  waits,   // for others: a webhook, a name server, an app that is to stop
  upload,  // takes its body as it comes
};

// What is known of a request by its head alone.
struct ApiPlan {
  std::optional<ApiResponse> answer;  // at once: no such path, no token
  enum class Health { no, asked } health = Health::no;
  CallKind kind = CallKind::call;
  std::uint64_t body_limit = 0;  // of a body that is kept; an upload's handler has its own
};

// Whose request it is, once that was looked up.
struct ApiAdmission {
  std::optional<ApiResponse> refusal;
  std::string principal;  // whose share of the server it takes
  WorkClass work = WorkClass::release;
};

// A part of the server that did not answer in time, or with an error.
struct HealthReason {
  std::string part, detail;
};

// Slipway's own API, as the router asks it: by the head first, so that no byte of a body is kept
// for somebody who may not send it. Thread-safe.
class Api {
 public:
  virtual ~Api() = default;
  // On an event loop: quick, pure.
  [[nodiscard]] virtual ApiPlan plan(const ApiRequest& request) const = 0;
  // On a worker, without the body: may look things up, waits for nobody.
  [[nodiscard]] virtual ApiAdmission admit(ApiRequest& request) = 0;
  // On a worker of its kind; may block.
  [[nodiscard]] virtual ApiResponse answer(ApiRequest& request) = 0;
  // On a worker: whether what is remembered can be reached.
  [[nodiscard]] virtual Status probe() = 0;
  // On an event loop. No reasons: all is well.
  [[nodiscard]] virtual ApiResponse health(std::span<const HealthReason> reasons) const = 0;
};

}  // namespace slipway
