#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/head.h"
#include "http/loop.h"
#include "http/stream.h"
#include "http/task.h"
#include "router/router.h"

namespace slipway {

class ApiWorkers;
class Health;
class Session;
class TrafficStats;
class UpstreamPool;
class VariantMaker;

// Counted by all lanes.
struct RouterCounters {
  std::atomic<std::uint64_t> requests{0}, errors_5xx{0}, bytes_in{0}, bytes_out{0};
  std::atomic<std::uint64_t> connections{0}, wakes{0};
};

// What all sessions of one router thread share. Belongs to that thread.
struct Lane {
  const RouterSettings& settings;
  const Clock& clock;
  const RouteTable& routes;
  Api& api;
  const Router::Wake& wake;
  ApiWorkers& workers;
  Health& health;
  VariantMaker& variants;
  RouterCounters& counters;
  Loop& loop;
  UpstreamPool& pool;
  std::uint64_t id_state = 0;  // of next_request_id()
  bool draining = false;       // the router stops: close connections after their answer
  // Connections between requests, those that have rested longest first: of clients that never asked
  // for anything, and of the others.
  std::list<Session*> silent, resting;

  [[nodiscard]] std::string next_request_id();
};

// A client's connection and the request on it that is being answered. The parts that answer
// (proxy, static, API, pages) work on this. Its views of the head end when input is consumed.
class Exchange {
 public:
  Exchange(Lane& lane, Fd connection);

  Lane& lane;
  const std::string remote_address;
  Stream client;
  RequestParser parser;
  ResponseParser answer;  // of the app

  // ---- the current request, kept beyond its head
  std::string client_address;  // of the connection, or as a trusted proxy says
  std::string_view scheme;     // "http" or "https", of the client
  std::string host;            // without port, lower case
  std::string routed_host;     // whose target answers: `host`, unless a path rule leads elsewhere
  std::string request_id;
  int minor_version = 1;
  bool is_head = false;        // HEAD: answers have no body
  bool keep_alive = false;     // after this answer
  bool client_closes = false;  // the client wants no further answer on this connection
  bool wants_json = false;
  bool unread_body = false;  // some of the body is still to come: linger when closing
  bool expects_continue = false;
  int status = 0;    // that was answered
  Duration began{};  // when its head was complete, monotonic
  // Counts the request of a release when its answer begins; null: not counted. Outlives the answer.
  TrafficStats* counted_on = nullptr;
  std::string own_fields;  // lines to add to the head of the answer, whoever makes it

  // Takes over what must outlive the head's views.
  void begin(std::string host_of_request, ClientIdentity client_of_request);
  // begin() for a head that cannot be used.
  void begin_refusal();
  // Consumes the head, once; its views are void from then on.
  void drop_head();

  // ---- waiting
  // Set by other parties: API workers, a backend that settled, and when the wait below is over.
  Signal signal;
  // What happens when time is up.
  enum class Expiry { close, refuse_head, close_upstream, raise_signal };
  void deadline(Duration wait, Expiry what);
  void no_deadline() { alarm_.clear(); }
  [[nodiscard]] bool expired() const { return expired_; }
  void forget_expiry() { expired_ = false; }
  // The client hung up while it was not asked for input.
  [[nodiscard]] bool client_gone() const { return client_gone_; }
  // The other connection of this exchange: closed when the client goes or time is up.
  void set_upstream(Stream* upstream) { upstream_ = upstream; }
  // Ends everything: the session ends soon.
  void abort();

  // ---- answering
  // An answer of the router's own, with its body complete. Extra header lines end with "\r\n".
  [[nodiscard]] Task<void> reply(int status_code, std::string_view content_type,
                                 std::string_view extra_headers, std::string_view body);
  // Its head alone, for the caller to send; `framing` as in "Content-Length: 5\r\n".
  [[nodiscard]] std::string own_head(int status_code, std::string_view headers,
                                     std::string_view framing);
  // The answer's head is known: called once, before it is sent.
  void answer_begins(int status_code);
  // "100 Continue" if the client waits for that.
  [[nodiscard]] Task<bool> invite_body();

  // Reused buffers.
  std::vector<std::string_view> pieces;
  std::vector<iovec> vectors;
  std::string upstream_head, client_head, small_body;

 private:
  void time_is_up();
  void client_news();

  Alarm alarm_;
  Expiry expiry_ = Expiry::close;
  bool expired_ = false;
  bool head_dropped_ = false;
  bool client_gone_ = false;
  Stream* upstream_ = nullptr;
};

// Now, as in a Date field. Per thread cached for its second.
[[nodiscard]] std::string_view http_date(const Clock& clock);

// Whether an Accept field asks for JSON rather than HTML.
[[nodiscard]] bool prefers_json(std::string_view accept);

}  // namespace slipway
