#include "cli/server.h"

#include <fmt/format.h>
#include <signal.h>

#include <cerrno>
#include <utility>

#include "base/text.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

using namespace std::chrono_literals;

std::string without_slash(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

// "host[:port]" is enough.
std::string normalized(std::string_view url) {
  const std::string text = without_slash(trim(url));
  return text.find("://") == std::string::npos ? "http://" + text : text;
}

Result<std::unique_ptr<HttpTransport>> open_transport(Context& context, std::string_view url) {
  return context.env.connect ? context.env.connect(url) : connect_http(url);
}

// A connection to `url` when Slipway answers there.
std::unique_ptr<HttpTransport> alive(Context& context, std::string_view url) {
  Result<std::unique_ptr<HttpTransport>> transport = open_transport(context, url);
  if (!transport) return nullptr;
  (*transport)->set_timeout(5s);
  const Result<ClientResponse> health = (*transport)->request("GET", "/healthz", {});
  if (!health || health->status != 200) return nullptr;
  (*transport)->set_timeout(30s);
  return *std::move(transport);
}

void tell(Context& context, const std::string& text) {
  if (context.common.verbose) context.console.err(text + "\n");
}

Result<std::unique_ptr<ApiClient>> connect_local(Context& context, const ServerChoice& choice) {
  const std::optional<ServerFile> file = read_server_file(context.env.data_dir);
  if (!choice.url.empty()) {
    if (auto transport = alive(context, choice.url)) {
      const bool own = file && normalized(file->url) == choice.url && !file->token.empty();
      return std::make_unique<ApiClient>(std::move(transport), choice.url,
                                         choice.token.empty() && own ? file->token : choice.token);
    }
  }
  // A token that came without a URL was meant for whichever server this turns out to be.
  const std::string given = choice.url.empty() ? choice.token : std::string();
  const auto token_of = [&](const ServerFile& server) {
    return given.empty() ? server.token : given;
  };
  if (file)
    if (auto transport = alive(context, file->reach()))
      return std::make_unique<ApiClient>(std::move(transport), file->url, token_of(*file));
  if (choice.start == ServerChoice::Start::never)
    return fail(Errc::unavailable, "no local server is running", "start one with: slipway serve");
  tell(context, fmt::format("starting a local server in {}", context.env.data_dir.string()));
  SLIPWAY_TRY(ServerFile started, start_local_server(context));
  tell(context, fmt::format("started {} (process {})", started.url, started.pid));
  SLIPWAY_TRY(std::unique_ptr<HttpTransport> transport, open_transport(context, started.reach()));
  return std::make_unique<ApiClient>(std::move(transport), started.url, token_of(started));
}

Result<std::unique_ptr<ApiClient>> connect_chosen(Context& context, const ServerChoice& choice) {
  if (choice.start == ServerChoice::Start::when_down || choice.url.empty())
    return connect_local(context, choice);
  const auto file = read_server_file(context.env.data_dir);
  const bool own = file && normalized(file->url) == choice.url;
  SLIPWAY_TRY(std::unique_ptr<HttpTransport> transport,
              open_transport(context, own ? file->reach() : choice.url));
  std::string token = choice.token;
  if (token.empty() && own) token = file->token;
  tell(context, fmt::format("server {}", choice.url));
  return std::make_unique<ApiClient>(std::move(transport), choice.url, std::move(token));
}

// Remembers what it sees of the server's audit log in the user's own folder.
Result<std::unique_ptr<ApiClient>> watched(Context& context,
                                           Result<std::unique_ptr<ApiClient>> api) {
  if (api && !context.env.config_dir.empty())
    (*api)->watch(std::make_unique<AuditWatch>(
        AuditWatch::file_of(context.env.config_dir, (*api)->server()),
        is_loopback((*api)->server()) ? AuditWatch::Place::here : AuditWatch::Place::elsewhere,
        context.clock));
  return api;
}

}  // namespace

bool is_loopback(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  const std::string_view host =
      url.substr(0, url.starts_with('[') ? url.find(']') + 1 : url.find_first_of(":/"));
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

ServerChoice choose_server(const CommonOptions& options, const CliEnvironment& env,
                           const std::optional<Credentials>& credentials) {
  const std::string token = options.token.value_or(std::string(env.variable("SLIPWAY_TOKEN")));
  const std::string named = options.server.value_or(std::string(env.variable("SLIPWAY_SERVER")));
  if (!named.empty()) {
    ServerChoice choice{.url = normalized(named), .token = token};
    if (token.empty() && credentials && normalized(credentials->server) == choice.url)
      choice.token = credentials->token;
    return choice;
  }
  const bool own_data = !env.variable("SLIPWAY_DATA").empty();
  if (!credentials || own_data) return {.token = token, .start = ServerChoice::Start::when_down};
  ServerChoice choice{.url = normalized(credentials->server),
                      .token = token.empty() ? credentials->token : token};
  if (credentials->origin == Credentials::Origin::local_server && is_loopback(choice.url))
    choice.start = ServerChoice::Start::when_down;
  return choice;
}

std::optional<ServerFile> read_server_file(const std::filesystem::path& data_dir) {
  const Result<std::string> text = read_file(data_dir / "server.json", 65'536);
  if (!text) return std::nullopt;
  const Result<json::value> parsed = parse_json(*text);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const json::object& object = parsed->get_object();
  ServerFile file{.url = text_at(object, "url"),
                  .token = text_at(object, "token"),
                  .address = text_at(object, "address"),
                  .pid = static_cast<int>(number_at(object, "pid"))};
  // A crash leaves the file behind; a dead process needs no connection attempt.
  const bool gone = file.pid > 0 && ::kill(file.pid, 0) != 0 && errno == ESRCH;
  if (file.url.empty() || gone) return std::nullopt;
  return file;
}

Result<std::unique_ptr<ApiClient>> connect_server(Context& context) {
  SLIPWAY_TRY(const std::optional<Credentials> credentials,
              load_credentials(context.env.config_dir));
  Result<std::unique_ptr<ApiClient>> api =
      connect_chosen(context, choose_server(context.common, context.env, credentials));
  // Who meant another server must not find out afterwards which one it was.
  const bool named = context.common.server || !context.env.variable("SLIPWAY_SERVER").empty();
  if (const std::optional<std::string> failed = failed_login(context.env.config_dir);
      api && failed && !named)
    context.console.err(fmt::format("the login to {} failed: using {} {}\n", sanitize_line(*failed),
                                    credentials ? "the server at" : "the local one at",
                                    (*api)->server()));
  return watched(context, std::move(api));
}

Result<std::unique_ptr<ApiClient>> connect_running_server(Context& context) {
  SLIPWAY_TRY(const std::optional<Credentials> credentials,
              load_credentials(context.env.config_dir));
  ServerChoice choice = choose_server(context.common, context.env, credentials);
  if (choice.start == ServerChoice::Start::when_down) {
    choice.start = ServerChoice::Start::never;
    return watched(context, connect_local(context, choice));
  }
  return watched(context, connect_chosen(context, choice));
}

}  // namespace slipway::cli
