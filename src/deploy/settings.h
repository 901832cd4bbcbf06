#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "build/builder.h"
#include "engine/engine.h"

namespace slipway {

// Everything that an operator can set. Defaults are for one machine with a few cores.
// docs/settings.md.
struct Settings {
  std::filesystem::path data;
  std::string listen_address = "127.0.0.1";
  int port = 7070;  // 0: any free one
  std::string domain = "localhost";
  // How people reach the server when a proxy stands in front of it: "https://apps.example.com".
  // Its host is `domain`; "" is http and the port that is listened on.
  std::string public_url;
  std::vector<std::string> trusted_proxies;  // addresses and networks; their word is taken
  std::uint32_t loops = 0;                   // event loops; 0: one a core
  // Of the body of a request, in bytes a second: slower clients are cut off. 0: any.
  std::uint64_t min_body_rate = 512;

  struct Previews {
    Duration ttl = std::chrono::hours{72};
    Duration idle = std::chrono::minutes{10};  // without requests until an instance is put to sleep
    std::uint32_t max_running = 64;  // instances; reaching it puts the least recently used to sleep
    std::uint32_t max_total = 10'000;  // live previews; reaching it expires the least recently used
  } previews;

  struct Builds {
    std::uint32_t concurrency = 0;  // 0: one a core
    BuildLimits limits;
  } builds;

  struct Instances {
    SandboxLimits limits{
        .memory_bytes = 512ull << 20, .cpu_millis = 1000, .pids = 512, .disk_bytes = 1ull << 30};
    std::uint64_t log_bytes = 10ull << 20;
    Duration start_timeout = std::chrono::seconds{60};
    Duration stop_grace = std::chrono::seconds{10};
  } instances;

  // Of the environments that deployments are promoted to. docs/releases.md.
  struct Releases {
    std::uint32_t instances = 1;  // of each web service
    Duration health_interval = std::chrono::seconds{5};
    std::uint32_t unhealthy_after = 3;  // failed checks in a row take an instance out of service
    Duration replace_after = std::chrono::seconds{60};  // out of service for so long: a new one
    Duration drain = std::chrono::seconds{30};          // for open requests, WebSockets too, to end
    Duration bake = std::chrono::minutes{10};  // watched, with the release before kept warm
    std::uint32_t keep = 10;                   // releases that can be rolled back to
    Duration canary_step = std::chrono::seconds{60};
    std::uint32_t max_rollbacks = 2;    // by itself, an hour; then an environment is frozen
    std::uint32_t memory_percent = 20;  // of the machine's, that builds and previews never get
  } releases;

  struct Volumes {
    std::uint64_t limit = 10ull << 30;      // of all volumes of one environment; 0: none
    std::uint64_t copy_limit = 2ull << 30;  // of what a preview starts with as its own copy
    std::uint32_t keep_snapshots = 10;      // of each environment
  } volumes;

  struct Domains {
    std::string resolver;  // "ADDR[:PORT]" of a name server; "": the machine's own
    Duration verify_interval = std::chrono::hours{24};
    // How long a domain that is not proven any more goes on, with a warning.
    Duration grace = std::chrono::hours{24 * 7};
  } domains;

  // Webhooks of projects.
  struct Alerts {
    // public_only: a webhook never reaches this machine, its networks or a metadata service.
    enum class Addresses { public_only, any } addresses = Addresses::public_only;
  } alerts;

  struct Gc {
    Duration interval = std::chrono::minutes{10};
    Duration keep_removed = std::chrono::hours{48};
    // Blobs and layers younger than this are left alone: a deploy that is being made may not be
    // recorded yet.
    Duration grace = std::chrono::minutes{15};
    Duration keep_uploads = std::chrono::hours{1};           // that became no deployment
    Duration keep_toolchains = std::chrono::hours{24 * 30};  // since something last used one
    std::uint64_t min_free_disk = 1ull << 30;
    // Kept free for what stops things, so that it works on a full disk.
    std::uint64_t reserve = 8ull << 20;
  } gc;

  struct Audit {
    Duration keep{};  // records older than this are cut off; zero: never
  } audit;

  struct Policy {
    std::string opa_url;                                 // of an OPA that must agree; "" for none
    Duration approval_timeout = std::chrono::hours{24};  // what nobody approves by then is over
    std::uint32_t keep_decisions = 10'000;
  } policy;

  // How fast callers may be; beyond it they are told when to come again (429).
  struct Limits {
    std::uint32_t human_requests = 200, agent_requests = 20;  // a second
    std::uint32_t human_deploys = 240, agent_deploys = 20;    // a minute, of one actor in a project
    std::uint32_t project_deploys = 480;                      // a minute, of everybody
  } limits;

  struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    enum class Access { off, on } access = Access::off;  // a line for each request to the router
  } log;
};

// A URL's scheme, host and port.
struct PublicUrl {
  std::string scheme, host;
  int port = 0;
};
// "https://apps.example.com", "http://apps.example.com:8080". Errors: invalid_argument.
[[nodiscard]] Result<PublicUrl> parse_public_url(std::string_view text);

// What a configuration file sets, by "section.key", each value as it is written: to tell what
// changed in it.
[[nodiscard]] Result<std::map<std::string, std::string>> config_values(std::string_view toml);

// Reads a configuration file (TOML) over `settings`. Errors name the file, the line and the key; an
// unknown key is an error.
[[nodiscard]] Status apply_config(Settings& settings, std::string_view toml,
                                  std::string_view file_name);

// "ADDR:PORT", ":PORT", "PORT", "[::1]:7070". Errors: invalid_argument.
[[nodiscard]] Status apply_listen(Settings& settings, std::string_view listen);

// "512MB", "4GiB", "1000": decimal units are powers of 1000, binary ones of 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace slipway
