// slipway login: remembers a server and the key to it.
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <memory>

#include "base/text.h"
#include "cli/interrupt.h"
#include "cli/server.h"

namespace slipway::cli {
namespace {

// What is typed does not show while it lives, and Ctrl-C leaves the terminal as it was.
class HiddenInput {
 public:
  explicit HiddenInput(int fd)
      : fd_(fd), known_(::tcgetattr(fd, &before_) == 0), watch_([this](int) {
          restore();
          ::_exit(130);
        }) {
    if (!known_) return;
    termios hidden = before_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(fd_, TCSAFLUSH, &hidden);
  }
  ~HiddenInput() { restore(); }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

 private:
  void restore() {
    if (known_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  int fd_;
  termios before_{};
  bool known_;
  InterruptWatch watch_;
};

Result<std::string> ask_token(Context& context) {
  std::optional<std::string> line;
  if (context.env.in_tty) {
    const HiddenInput hidden(context.env.in);
    context.console.err("Token: ");
    line = context.console.read_line();
    context.console.err("\n");
  } else {
    line = context.console.read_line();
  }
  const std::string token(trim(line.value_or("")));
  if (token.empty())
    return fail(Errc::invalid_argument, "no token was given",
                "type it at the prompt, or: slipway login --server URL < token-file");
  return token;
}

Result<int> login(Context& context) {
  const ServerChoice choice = choose_server(context.common, context.env, std::nullopt);
  if (choice.url.empty())
    return fail(Errc::invalid_argument, "which server?", "slipway login --server URL");
  std::string token = choice.token;
  if (token.empty()) {
    SLIPWAY_TRY(token, ask_token(context));
  }
  SLIPWAY_TRY(std::unique_ptr<HttpTransport> transport,
              context.env.connect ? context.env.connect(choice.url) : connect_http(choice.url));
  ApiClient api(std::move(transport), choice.url, token);
  Result<json::object> me = api.get("/v1/whoami");
  if (!me) {
    SLIPWAY_CHECK(remember_failed_login(context.env.config_dir, choice.url));
    if (me.error().code == Errc::unauthenticated)
      me.error().hint = "this server does not know that token";
    return fail(std::move(me).error());
  }
  SLIPWAY_CHECK(save_credentials(
      context.env.config_dir,
      {.server = choice.url, .token = token, .origin = Credentials::Origin::login}));
  forget_failed_login(context.env.config_dir);
  if (context.common.json) {
    json::object out = *me;
    out["signed_in_to"] = choice.url;
    context.console.out(printable_json(out));
    return 0;
  }
  if (!context.common.quiet)
    context.console.err(fmt::format("signed in to {} as {}\n", choice.url,
                                    sanitize_line(text_at(object_at(*me, "actor"), "name"))));
  return 0;
}

}  // namespace

Action define_login(Arguments& arguments, CommonOptions& common) {
  arguments.flag("--json", common.json, "print who the token speaks for as JSON");
  return [](Context& context) { return login(context); };
}

}  // namespace slipway::cli
