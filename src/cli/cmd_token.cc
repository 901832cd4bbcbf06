// slipway token: makes, lists and ends tokens. Narrowing works without a server, too.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/all_pages.h"
#include "cli/narrowing.h"
#include "cli/server.h"
#include "cli/view.h"
#include "identity/path_quota.h"
#include "identity/token.h"

namespace slipway::cli {
namespace {

struct TokenArguments {
  std::optional<std::string> action;
  std::vector<std::string> ids;
  std::optional<std::string> member, team;
  NarrowingOptions narrowing;
  bool offline = false;
};

json::object body_of(const Restriction& restriction) {
  json::object out;
  const auto list = [](const std::vector<std::string>& names) {
    return json::array(names.begin(), names.end());
  };
  if (restriction.projects) out["projects"] = list(*restriction.projects);
  if (restriction.environments) out["environments"] = list(*restriction.environments);
  if (restriction.actions) {
    json::array names;
    for (const Permission permission : all_permissions)
      if (restriction.actions->contains(permission))
        names.push_back(json::value(to_string(permission)));
    out["actions"] = std::move(names);
  }
  if (restriction.deploys) out["deploys"] = *restriction.deploys;
  if (restriction.money_micros) out["money_micros"] = *restriction.money_micros;
  if (restriction.expires_at) out["expires_at"] = to_rfc3339(*restriction.expires_at);
  for (const auto& [name, text] :
       {std::pair<const char*, const std::string&>{"label", restriction.label},
        {"agent", restriction.agent},
        {"session", restriction.session},
        {"task", restriction.task}})
    if (!text.empty()) out[name] = text;
  return out;
}

// The token goes to stdout alone, so that TOKEN=$(slipway token create ...) works.
void show_made(Context& context, const json::object& made) {
  if (context.common.json) {
    context.console.out(printable_json(made));
    return;
  }
  context.console.out(text_at(made, "token") + "\n");
  if (!context.common.quiet)
    context.console.err(
        context.console.err_style().dim(
            fmt::format("{}: shown this once; end it with: slipway token revoke {}",
                        sanitize_line(text_at(made, "id")), sanitize_line(text_at(made, "id")))) +
        "\n");
}

// The token that a request would carry, without asking anybody.
Result<std::string> token_in_use(const Context& context) {
  SLIPWAY_TRY(const std::optional<Credentials> credentials,
              load_credentials(context.env.config_dir));
  const ServerChoice choice = choose_server(context.common, context.env, credentials);
  if (!choice.token.empty()) return choice.token;
  if (const auto file = read_server_file(context.env.data_dir); file && !file->token.empty())
    return file->token;
  return fail(Errc::invalid_argument, "there is no token to narrow",
              "set SLIPWAY_TOKEN, or run `slipway login`");
}

Result<int> create(Context& context, const TokenArguments& arguments) {
  SLIPWAY_TRY(const Restriction restriction, arguments.narrowing.restriction(context.clock.now()));
  if (arguments.offline) {
    if (arguments.member || arguments.team)
      return fail(Errc::invalid_argument, "a member's first token is made by the server",
                  "leave out --offline");
    SLIPWAY_TRY(const std::string text, token_in_use(context));
    SLIPWAY_TRY(const Token holder, parse_token(text));
    SLIPWAY_TRY(const Token made, narrow(holder, restriction));
    SLIPWAY_TRY(const std::string token, to_text(made));
    json::object out = body_of(restriction);
    out["id"] = restriction.id;
    out["path"] = made.path();
    out["token"] = token;
    show_made(context, out);
    return 0;
  }
  json::object body = body_of(restriction);
  if (arguments.member) body["member"] = *arguments.member;
  if (arguments.team) body["team"] = *arguments.team;
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object made, api->post("/v1/tokens", body));
  show_made(context, made);
  return 0;
}

std::string list_text(const json::object& token, std::string_view key) {
  std::vector<std::string> names;
  if (const json::value* list = token.if_contains(key);
      list != nullptr && list->is_array() && list->get_array().empty())
    return "none";
  for (const json::value& name : array_at(token, key))
    if (name.is_string()) names.emplace_back(name.as_string());
  return names.empty() ? "any" : sanitize_line(join(names, ","));
}

std::string state_of(const json::object& token, const std::string& now) {
  if (is_true(token, "revoked")) return "revoked";
  const std::string expires = text_at(token, "expires_at");
  return !expires.empty() && expires <= now ? "expired" : "good";
}

Result<int> list(Context& context) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object answer, get_all(*api, "/v1/tokens", "tokens"));
  if (context.common.json) {
    context.console.out(printable_json(answer));
    return 0;
  }
  const std::string now = to_rfc3339(context.clock.now());
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(answer, "tokens")) {
    if (!value.is_object()) continue;
    const json::object& token = value.as_object();
    // What its own narrowing leaves out, one that it came from may.
    const json::value* together = token.if_contains("effective");
    const json::object& may =
        together != nullptr && together->is_object() ? together->get_object() : token;
    const json::value* all = may.if_contains("all_of_role");
    const bool all_of_role = all != nullptr && *all == json::value(true);
    const std::string agent = text_at(token, "agent");
    const std::string used = text_at(token, "last_used_at");
    const auto or_never = [](const std::string& time) {
      return time.empty() ? std::string("never") : sanitize_line(time);
    };
    rows.push_back({sanitize_line(text_at(token, "id")), sanitize_line(text_at(token, "member")),
                    sanitize_line(agent), state_of(token, now), list_text(may, "projects"),
                    list_text(may, "environments"), all_of_role ? "any" : list_text(may, "actions"),
                    or_never(text_at(may, "expires_at")), or_never(used),
                    sanitize_line(text_at(token, "label"))});
  }
  context.console.out(table({"ID", "OF", "AGENT", "STATE", "PROJECTS", "ENVIRONMENTS", "ACTIONS",
                             "EXPIRES", "USED", "LABEL"},
                            rows, context.console.out_style()));
  return 0;
}

Result<int> revoke(Context& context, const std::vector<std::string>& ids) {
  if (ids.empty()) return fail(Errc::invalid_argument, "which token?", "slipway token revoke ID");
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  json::array revoked;
  for (const std::string& id : ids) {
    std::string place = "/v1/tokens/" + url_encode(last_id(id));
    if (id.contains('/')) place += "?path=" + url_encode(id);
    SLIPWAY_TRY(const json::object answer, api->remove(place));
    revoked.push_back(answer);
    if (context.common.json) continue;
    context.console.out(sanitize_line(id) + "\n");
    const json::value* known = answer.if_contains("known");
    if (!context.common.quiet && known != nullptr && known->is_bool() && !known->as_bool())
      context.console.err("it was never seen here; should it turn up, it is refused\n");
  }
  if (context.common.json) context.console.out(printable_json(json::object{{"revoked", revoked}}));
  return 0;
}

Result<int> token(Context& context, const TokenArguments& arguments) {
  const std::string action = arguments.action.value_or("");
  if (action == "create") return create(context, arguments);
  if (action == "ls") return list(context);
  if (action == "revoke") return revoke(context, arguments.ids);
  return fail(Errc::invalid_argument,
              fmt::format("slipway token does not know '{}'", sanitize_line(action)),
              "it knows: create, ls, revoke");
}

}  // namespace

Action define_token(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<TokenArguments>();
  arguments.positional("ACTION", own->action, "create, ls or revoke", ValueKind::text,
                       Presence::required);
  arguments.positionals("ID", own->ids,
                        "revoke: ids of tokens, or paths (tok_a/tok_b) where several have one id",
                        ValueKind::text, Presence::optional);
  arguments.option("--member", "NAME", own->member,
                   "create: for this member, instead of narrowing one's own");
  arguments.option("--team", "NAME", own->team, "create: whose member it is (default)");
  arguments.flag("--offline", own->offline,
                 "create: narrow the token in use here, without a server");
  own->narrowing.declare(arguments);
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [own](Context& context) { return token(context, *own); };
}

}  // namespace slipway::cli
