#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cli/api_client.h"
#include "cli/cli.h"
#include "cli/transport.h"
#include "json/json.h"
#include "sys/files.h"

// A command line with a scripted server, a temporary home and captured output. For tests.
namespace slipway::cli {

struct Request {
  std::string method, target, body;
  std::map<std::string, std::string> headers;
};

// Answers requests by "METHOD target" (the query does not count). Thread-safe; outlives its
// transports.
class FakeServer {
 public:
  using Handler = std::function<ClientResponse(const Request&)>;
  // Sends pieces of a body through `send` until it returns.
  using Send = std::function<Status(std::string_view)>;
  using StreamHandler = std::function<Status(const Send& send)>;

  void on(std::string route, Handler handler) {
    const MutexLock lock(mutex_);
    handlers_[std::move(route)] = std::move(handler);
  }
  void on_json(std::string route, int status, std::string body) {
    on(std::move(route), [status, body = std::move(body)](const Request&) {
      return ClientResponse{.status = status, .headers = {}, .body = body};
    });
  }
  void on_stream(std::string target, StreamHandler handler) {
    const MutexLock lock(mutex_);
    streams_[std::move(target)] = std::move(handler);
  }

  ClientResponse answer(Request request) {
    const std::string route =
        request.method + " " + request.target.substr(0, request.target.find('?'));
    Handler handler;
    {
      const MutexLock lock(mutex_);
      requests_.push_back(request);
      const auto found = handlers_.find(route);
      if (found != handlers_.end()) handler = found->second;
    }
    changed_.notify_all();
    if (handler) return handler(request);
    return {.status = 404,
            .headers = {},
            .body = R"({"code":"not_found","message":"nothing at )" + route + "\"}"};
  }
  Result<ClientResponse> stream(const Request& request, const HttpClient::BodyConsumer& consume) {
    StreamHandler handler;
    {
      const MutexLock lock(mutex_);
      const auto found = streams_.find(request.target.substr(0, request.target.find('?')));
      if (found != streams_.end()) {
        handler = found->second;
        requests_.push_back(request);
      }
    }
    if (!handler) return answer(request);
    SLIPWAY_CHECK(handler(consume));
    return ClientResponse{.status = 200, .headers = {}, .body = {}};
  }

  [[nodiscard]] std::vector<Request> requests(std::string_view method_and_target) {
    const MutexLock lock(mutex_);
    std::vector<Request> out;
    for (const Request& request : requests_)
      if (request.method + " " + request.target.substr(0, request.target.find('?')) ==
          method_and_target)
        out.push_back(request);
    return out;
  }
  // Whether such a request came within a minute.
  [[nodiscard]] bool wait_for(std::string_view method_and_target) {
    MutexLock lock(mutex_);
    return changed_.wait_for(mutex_, std::chrono::seconds{60}, [&]() SLIPWAY_REQUIRES(mutex_) {
      for (const Request& request : requests_)
        if (request.method + " " + request.target == method_and_target) return true;
      return false;
    });
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, Handler> handlers_ SLIPWAY_GUARDED_BY(mutex_);
  std::map<std::string, StreamHandler> streams_ SLIPWAY_GUARDED_BY(mutex_);
  std::vector<Request> requests_ SLIPWAY_GUARDED_BY(mutex_);
};

class FakeTransport final : public HttpTransport {
 public:
  explicit FakeTransport(FakeServer& server) : server_(server) {}
  void set_header(std::string name, std::string value) override { headers_[name] = value; }
  void set_timeout(Duration) override {}
  Result<ClientResponse> request(std::string_view method, std::string_view target,
                                 std::string_view body) override {
    return server_.answer(made(method, target, std::string(body)));
  }
  Result<ClientResponse> upload(std::string_view method, std::string_view target,
                                const HttpClient::BodySource& produce, std::string_view) override {
    std::string body;
    for (;;) {
      SLIPWAY_TRY(const std::string_view piece, produce());
      if (piece.empty()) return server_.answer(made(method, target, body));
      body += piece;
    }
  }
  Result<ClientResponse> stream(std::string_view method, std::string_view target,
                                const HttpClient::BodyConsumer& consume) override {
    return server_.stream(made(method, target, {}), consume);
  }

 private:
  Request made(std::string_view method, std::string_view target, std::string body) {
    return {.method = std::string(method),
            .target = std::string(target),
            .body = std::move(body),
            .headers = headers_};
  }
  FakeServer& server_;
  std::map<std::string, std::string> headers_;
};

struct CliRun {
  int code = -1;
  std::string out, err;
};

class World {
 public:
  World() : home_(*TempDir::create("/tmp", "slipway-cli-")) {
    env.cwd = home_.path() / "shop";
    env.home = home_.path();
    env.config_dir = home_.path() / "config";
    env.cache_dir = home_.path() / "cache";
    env.data_dir = home_.path() / "data";
    env.variables = {{"SLIPWAY_SERVER", "http://test"}, {"SLIPWAY_TOKEN", "tok"}};
    env.connect = [this](std::string_view url) -> Result<std::unique_ptr<HttpTransport>> {
      connected_to.emplace_back(url);
      return std::make_unique<FakeTransport>(server);
    };
    write("index.html", "<h1>hello</h1>");
    server.on_json("GET /healthz", 200, R"({"status":"ok","version":"0.1.0"})");
    server.on_json("POST /v1/deployments", 202, deployment("queued"));
    server.on("POST /v1/uploads", [this](const Request& request) { return accept(request); });
    server.on_json("PUT /v1/uploads/upl_aaaaaaaaaa/pack", 200, R"({"files":1,"bytes":14})");
    events({R"(event: step
data: {"name":"start","state":"done","started_ms":0,"took_ms":12,"detail":"static files"}

)",
            "event: done\ndata: " + deployment("ready") + "\n\n"});
  }

  // A file of the folder that is deployed.
  void write(const std::string& path, std::string_view text) const {
    ASSERT_TRUE(make_directories((env.cwd / path).parent_path()));
    ASSERT_TRUE(write_file_atomic(env.cwd / path, text));
  }
  // Typed on stdin, before the next run.
  void type(std::string text) { input_ = std::move(text); }
  // What GET …/events sends.
  void events(std::vector<std::string> pieces) {
    server.on_stream("/v1/deployments/dpl_aaaaaaaaaa/events",
                     [pieces = std::move(pieces)](const FakeServer::Send& send) -> Status {
                       for (const std::string& piece : pieces) SLIPWAY_CHECK(send(piece));
                       return {};
                     });
  }

  static std::string deployment(std::string_view state, std::string_view error = "null") {
    return fmt::format(
        R"({{"id":"dpl_aaaaaaaaaa","project":"shop","alias":"preview","state":"{}",)"
        R"("url":"http://shop-aaaaaaaaaa.localhost:7070",)"
        R"("alias_url":"http://preview--shop.localhost:7070","state_reason":null,"error":{}}})",
        state, error);
  }

  CliRun run(std::vector<std::string> words) {
    env.out = ::memfd_create("out", MFD_CLOEXEC);
    env.err = ::memfd_create("err", MFD_CLOEXEC);
    env.in = ::memfd_create("in", MFD_CLOEXEC);
    EXPECT_TRUE(write_all(env.in, std::exchange(input_, {})));
    ::lseek(env.in, 0, SEEK_SET);
    words.insert(words.begin(), "slipway");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    CliRun out;
    out.code = run_cli(static_cast<int>(argv.size()), argv.data(), env);
    out.out = drain(env.out);
    out.err = drain(env.err);
    ::close(env.in);
    return out;
  }

  CliEnvironment env;
  FakeServer server;
  std::set<std::string> known_manifests;  // digests that the server has
  std::vector<std::string> connected_to;

 private:
  static std::string drain(int fd) {
    std::string out(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(fd, out.data(), out.size(), 0), static_cast<ssize_t>(out.size()));
    ::close(fd);
    return out;
  }
  // As the server does: a full manifest is always accepted, a delta when its base is known.
  ClientResponse accept(const Request& request) {
    const json::object body = parse_json(request.body)->as_object();
    Manifest manifest;
    std::vector<std::string> missing;
    if (const json::value* delta = body.if_contains("delta")) {
      const json::object& object = delta->get_object();
      if (!known_manifests.contains(text_at(object, "base")))
        return {.status = 409,
                .headers = {},
                .body = R"({"code":"conflict","message":"unknown base"})"};
      for (const json::value& entry : array_at(object, "changed"))
        missing.push_back(text_at(entry.get_object(), "digest"));
    } else {
      manifest = *Manifest::parse(text_at(body, "manifest"));
      known_manifests.insert(manifest.digest().str());
      for (const ManifestEntry& entry : manifest.entries) missing.push_back(entry.digest.str());
    }
    json::array digests;
    for (const std::string& digest : missing) digests.push_back(json::value(digest));
    return {.status = 201,
            .headers = {},
            .body = pretty(json::object{{"id", "upl_aaaaaaaaaa"}, {"missing", digests}})};
  }

  TempDir home_;
  std::string input_;
};

}  // namespace slipway::cli
