// slipway env: environment variables and secrets of an environment, with their history.
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <memory>

#include "base/text.h"
#include "cli/decision_view.h"
#include "cli/dotenv.h"
#include "cli/follow_rollout.h"
#include "cli/server.h"
#include "cli/view.h"
#include "model/environment.h"
#include "sys/files.h"

namespace slipway::cli {
namespace {

struct EnvArguments {
  std::optional<std::string> action;
  std::vector<std::string> words;
  std::optional<std::string> project, environment, kind, note;
  bool secret = false, no_release = false;
  FollowOptions follow;
};

struct Place {
  std::string project, environment;
  [[nodiscard]] std::string target() const {
    return fmt::format("/v1/projects/{}/environments/{}/env", url_encode(project),
                       url_encode(environment));
  }
};

Result<Place> place_of(const Context& context, const EnvArguments& arguments) {
  Place place{arguments.project.value_or(slug(context.env.cwd.filename().string())),
              arguments.environment.value_or("preview")};
  for (const std::string& name : {place.project, place.environment})
    if (!is_slug(name))
      return fail(Errc::invalid_argument,
                  fmt::format("'{}' cannot name a project or environment", sanitize_line(name)),
                  "small letters, digits and single dashes, a letter first");
  return place;
}

Result<std::string> all_of_stdin(const Context& context) {
  std::string out;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(context.env.in, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read stdin");
    if (got == 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > (1u << 20)) return fail(Errc::too_large, "stdin has more than 1 MiB");
  }
}

// A word without "=" takes its value from stdin, so that a secret need not stand in a history.
Result<json::array> settings_of(const Context& context, const EnvArguments& arguments) {
  json::array out;
  bool stdin_used = false;
  for (const std::string& word : arguments.words) {
    const auto equals = word.find('=');
    std::string value;
    if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else {
      if (std::exchange(stdin_used, true))
        return fail(Errc::invalid_argument, "only one value can come from stdin",
                    "give the others as NAME=VALUE");
      if (context.env.in_tty)
        context.console.err(fmt::format("value of {}: ", sanitize_line(word)));
      if (context.env.in_tty) {
        value = context.console.read_line().value_or("");
      } else {
        SLIPWAY_TRY(value, all_of_stdin(context));
        if (value.ends_with('\n')) value.pop_back();
        if (value.empty())
          return fail(Errc::invalid_argument,
                      fmt::format("no value for {} came from stdin", sanitize_line(word)),
                      fmt::format("an empty one on purpose: {}=", sanitize_line(word)));
      }
    }
    out.push_back(json::object{{"name", word.substr(0, equals)},
                               {"value", value},
                               {"secret", arguments.secret},
                               {"kind", arguments.kind.value_or("run")}});
  }
  return out;
}

Result<json::array> import_of(const Context& context, const EnvArguments& arguments) {
  if (arguments.words.size() != 1)
    return fail(Errc::invalid_argument, "env import takes one file",
                "such as: slipway env import .env   (- is stdin)");
  const std::string& name = arguments.words.front();
  std::string text;
  if (name == "-") {
    SLIPWAY_TRY(text, all_of_stdin(context));
  } else {
    SLIPWAY_TRY(text, read_file(context.env.cwd / name));
  }
  auto vars = parse_dotenv(text);
  if (!vars) {
    Error error = vars.error();
    error.message = fmt::format("{}, {}", sanitize_line(name), error.message);
    return fail(std::move(error));
  }
  json::array out;
  for (const auto& [key, value] : *vars)
    out.push_back(json::object{{"name", key},
                               {"value", value},
                               {"secret", arguments.secret},
                               {"kind", arguments.kind.value_or("run")}});
  if (out.empty())
    return fail(Errc::invalid_argument, fmt::format("{} has no variables", sanitize_line(name)));
  return out;
}

// What becomes of a change: previews have it from the next deployment on; a release that serves is
// replaced by one that has it, unless that is to wait.
std::string_view consequence(const json::object& now, const Place& place) {
  if (place.environment == preview_environment) return "the next deployments have it";
  if (!object_at(now, "rollout").empty()) return "a release with it is on its way";
  return "the next release has it";
}

void print_changed(Context& context, const json::object& now, const Place& place) {
  if (context.common.json) return context.console.out(printable_json(now));
  context.console.out(fmt::format("{}\n", number_at(now, "version")));
  if (context.common.quiet) return;
  // A slip in a name must not look like a change of what it was meant for.
  if (is_true(now, "project_created"))
    context.console.err(
        fmt::format("there was no project {}: it is new, and has no deployments\n", place.project));
  context.console.err(
      context.console.err_style().dim(
          fmt::format("configuration {} of {} {}: {}; {}", number_at(now, "version"), place.project,
                      place.environment, count_of(array_at(now, "vars").size(), "variable"),
                      consequence(now, place))) +
      "\n");
}

// Prints the new configuration; when it makes a release, how that went is the outcome. The
// configuration stays whatever becomes of the release.
Result<int> conclude(Context& context, ApiClient& api, const EnvArguments& arguments,
                     json::object now, const Place& place) {
  if (const json::value* value = now.if_contains("release_error"); value && value->is_object()) {
    print_changed(context, now, place);
    SLIPWAY_TRY(Error error, error_from_json(*value));
    error.message = "the configuration is saved, but no release was made with it: " + error.message;
    context.console.err(render_error(error, context.console.err_style()));
    return info(error.code).exit_code;
  }
  const json::object rollout = object_at(now, "rollout");
  if (rollout.empty() || arguments.follow.no_wait) {
    print_changed(context, now, place);
    return 0;
  }
  if (!context.common.json) print_changed(context, now, place);
  SLIPWAY_TRY(json::object rested,
              follow_with_progress(context, api, rollout, arguments.follow.until()));
  const std::optional<Error> error = rollout_error(rested);
  if (context.common.json) {
    now["rollout"] = std::move(rested);
    context.console.out(printable_json(now));
  } else if (!error && !context.common.quiet) {
    print_rollout_summary(context, rested);
  }
  if (!error) return 0;
  context.console.err(render_error(*error, context.console.err_style()));
  return info(error->code).exit_code;
}

Result<int> change(Context& context, const EnvArguments& arguments, json::object body) {
  SLIPWAY_TRY(const Place place, place_of(context, arguments));
  if (arguments.note) body["note"] = *arguments.note;
  if (arguments.no_release) body["release"] = false;
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(json::object now, api->post(place.target(), body));
  return conclude(context, *api, arguments, std::move(now), place);
}

Result<int> set(Context& context, const EnvArguments& arguments) {
  if (arguments.words.empty())
    return fail(Errc::invalid_argument, "env set needs NAME=VALUE",
                "or NAME alone, with the value on stdin");
  SLIPWAY_TRY(json::array vars, settings_of(context, arguments));
  return change(context, arguments, {{"set", std::move(vars)}});
}

Result<int> import(Context& context, const EnvArguments& arguments) {
  SLIPWAY_TRY(json::array vars, import_of(context, arguments));
  return change(context, arguments, {{"set", std::move(vars)}});
}

Result<int> remove(Context& context, const EnvArguments& arguments) {
  if (arguments.words.empty())
    return fail(Errc::invalid_argument, "env rm needs a NAME", "see: slipway env ls");
  json::array names;
  for (const std::string& name : arguments.words) names.push_back(json::value(name));
  return change(context, arguments, {{"remove", std::move(names)}});
}

Result<int> list(Context& context, const EnvArguments& arguments) {
  SLIPWAY_TRY(const Place place, place_of(context, arguments));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object now, api->get(place.target()));
  if (context.common.json) {
    context.console.out(printable_json(now));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& each : array_at(now, "vars")) {
    const json::object& var = each.get_object();
    rows.push_back({sanitize_line(text_at(var, "name")), sanitize_line(text_at(var, "kind")),
                    is_true(var, "secret") ? "(secret)" : sanitize_line(text_at(var, "value"))});
  }
  if (!context.common.quiet)
    context.console.err(render_requests(array_at(now, "waiting")) +
                        render_requests(array_at(now, "refused")));
  if (rows.empty()) {
    if (!context.common.quiet)
      context.console.err(
          fmt::format("{} has no variables in {}; set one with: slipway env set "
                      "NAME=VALUE\n",
                      place.project, place.environment));
    return 0;
  }
  context.console.out(table({"NAME", "KIND", "VALUE"}, rows, context.console.out_style()));
  return 0;
}

Result<int> pull(Context& context, const EnvArguments& arguments) {
  SLIPWAY_TRY(const Place place, place_of(context, arguments));
  if (place.environment != "preview")
    return fail(Errc::invalid_argument, "only the preview environment can be pulled",
                "values of the others stay on the server");
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object now, api->get(place.target()));
  if (context.common.json) {
    context.console.out(printable_json(now));
    return 0;
  }
  for (const json::value& each : array_at(now, "vars")) {
    const json::object& var = each.get_object();
    const std::string name = text_at(var, "name");
    context.console.out(var.at("secret").get_bool()
                            ? fmt::format("# {}= is a secret: it is never given back\n", name)
                            : dotenv_line(name, text_at(var, "value")));
  }
  return 0;
}

Result<int> history(Context& context, const EnvArguments& arguments) {
  SLIPWAY_TRY(const Place place, place_of(context, arguments));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object all, api->get(place.target() + "/history"));
  if (context.common.json) {
    context.console.out(printable_json(all));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& each : array_at(all, "versions")) {
    const json::object& version = each.get_object();
    const auto created = parse_rfc3339(text_at(version, "created_at"));
    rows.push_back({std::to_string(number_at(version, "version")),
                    created ? format_age(*created, context.clock.now()) : "",
                    sanitize_line(text_at(object_at(version, "actor"), "name")),
                    std::to_string(array_at(version, "names").size()),
                    sanitize_line(text_at(version, "note"))});
  }
  context.console.out(
      table({"VERSION", "AGE", "BY", "VARIABLES", "NOTE"}, rows, context.console.out_style()));
  return 0;
}

Result<int> roll_back(Context& context, const EnvArguments& arguments) {
  int version = 0;
  if (arguments.words.size() != 1)
    return fail(Errc::invalid_argument, "env rollback takes the version to go back to",
                "see: slipway env history");
  SLIPWAY_TRY(version, parse_count("VERSION", arguments.words.front()));
  SLIPWAY_TRY(const Place place, place_of(context, arguments));
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  json::object body{{"version", version}};
  if (arguments.no_release) body["release"] = false;
  SLIPWAY_TRY(json::object now, api->post(place.target() + "/rollback", body));
  return conclude(context, *api, arguments, std::move(now), place);
}

Result<int> rotate_key(Context& context, const EnvArguments&) {
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(const json::object done, api->post("/v1/secrets/rotate-key", {}));
  if (context.common.json)
    context.console.out(printable_json(done));
  else
    context.console.out(fmt::format("{}\n", number_at(done, "resealed")));
  return 0;
}

struct EnvAction {
  std::string_view name;
  Result<int> (*run)(Context& context, const EnvArguments& arguments);
};
constexpr EnvAction actions[] = {
    {"set", set},   {"ls", list},         {"rm", remove},          {"import", import},
    {"pull", pull}, {"history", history}, {"rollback", roll_back}, {"rotate-key", rotate_key}};

Result<int> env(Context& context, const EnvArguments& arguments) {
  std::vector<std::string> names;
  for (const EnvAction& action : actions) {
    if (action.name == arguments.action) return action.run(context, arguments);
    names.emplace_back(action.name);
  }
  const auto meant = nearest(*arguments.action, names);
  return fail(Errc::invalid_argument,
              fmt::format("env has no '{}'", sanitize_line(*arguments.action)),
              meant ? fmt::format("did you mean: slipway env {}", *meant)
                    : fmt::format("one of: {}", fmt::join(names, ", ")));
}

}  // namespace

Action define_env(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<EnvArguments>();
  arguments.positional("ACTION", own->action,
                       "set, ls, rm, import, pull, history, rollback, rotate-key", ValueKind::text,
                       Presence::required);
  arguments.positionals("WORD", own->words, "NAME=VALUE, NAME, a file, or a version",
                        ValueKind::text, Presence::optional);
  arguments.option("--project", "NAME", own->project, "the project; the folder's name unless given",
                   ValueKind::project);
  arguments.option("-E, --environment", "NAME", own->environment,
                   "preview (the default), production, staging or one of your own");
  arguments.option("--env", "NAME", own->environment, "the same");
  arguments.flag("-s, --secret", own->secret, "set: never shown again to anybody but the app");
  arguments.option("--kind", "KIND", own->kind, "set: run (the default), build or both");
  arguments.option("-m, --note", "TEXT", own->note, "why, for the history");
  arguments.flag("--no-release", own->no_release,
                 "where a release serves: change nothing of it; the next one has the change");
  own->follow.declare(arguments);
  arguments.flag("--json", common.json, "print the configuration");
  return [own](Context& context) { return env(context, *own); };
}

}  // namespace slipway::cli
