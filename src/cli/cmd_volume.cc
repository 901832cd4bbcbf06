// slipway volume: what apps keep, with snapshots and copies.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/follow_rollout.h"
#include "cli/server.h"
#include "cli/view.h"
#include "model/environment.h"
#include "model/release.h"

namespace slipway::cli {
namespace {

struct VolumeArguments {
  std::optional<std::string> action, project, snapshot, environment, message, from, with;
};

std::string environment_of(const VolumeArguments& arguments) {
  return arguments.environment.value_or(std::string(production_environment));
}
std::string target_of(const VolumeArguments& arguments, std::string_view rest) {
  return environment_target(*arguments.project, environment_of(arguments), rest);
}

void print_json_or(Context& context, const json::object& answer, const std::string& text) {
  context.console.out(context.common.json ? printable_json(answer) : text);
}

Result<int> list(Context& context, ApiClient& api, const VolumeArguments& arguments) {
  SLIPWAY_TRY(const json::object all,
              api.get(fmt::format("/v1/projects/{}/volumes", url_encode(*arguments.project))));
  if (context.common.json) {
    context.console.out(printable_json(all));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(all, "owners")) {
    if (!value.is_object()) continue;
    const json::object& owner = value.get_object();
    if (arguments.environment && text_at(owner, "environment") != *arguments.environment) continue;
    if (const std::string problem = text_at(owner, "problem"); !problem.empty())
      context.console.err(
          fmt::format("{}: {}\n", sanitize_line(text_at(owner, "owner")), sanitize_line(problem)));
    for (const json::value& each : array_at(owner, "volumes"))
      if (each.is_object())
        rows.push_back(
            {sanitize_line(text_at(owner, "owner")),
             sanitize_line(text_at(each.get_object(), "name")),
             format_bytes(static_cast<std::uint64_t>(number_at(each.get_object(), "bytes"))),
             std::to_string(number_at(owner, "snapshots"))});
  }
  context.console.out(
      table({"OWNER", "VOLUME", "SIZE", "SNAPSHOTS"}, rows, context.console.out_style()));
  const std::string copied = text_at(all, "previews_copy");
  if (!copied.empty() && !context.common.quiet)
    context.console.err(
        fmt::format("new previews start with a copy of {}\n", sanitize_line(copied)));
  return 0;
}

Result<int> print_snapshots(Context& context, const json::object& all) {
  if (context.common.json) {
    context.console.out(printable_json(all));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(all, "snapshots")) {
    if (!value.is_object()) continue;
    const json::object& each = value.get_object();
    const auto at = parse_rfc3339(text_at(each, "at"));
    rows.push_back({sanitize_line(text_at(each, "id")),
                    at ? format_age(*at, context.clock.now()) : "",
                    format_bytes(static_cast<std::uint64_t>(number_at(each, "bytes"))),
                    sanitize_line(text_at(each, "reason"))});
  }
  context.console.out(table({"ID", "AGE", "SIZE", "REASON"}, rows, context.console.out_style()));
  return 0;
}

Result<int> snapshots(Context& context, ApiClient& api, const VolumeArguments& arguments) {
  SLIPWAY_TRY(const json::object all, api.get(target_of(arguments, "/snapshots")));
  return print_snapshots(context, all);
}

Result<int> snapshot(Context& context, ApiClient& api, const VolumeArguments& arguments) {
  SLIPWAY_TRY(const json::object made, api.post(target_of(arguments, "/snapshots"),
                                                {{"reason", arguments.message.value_or("")}}));
  print_json_or(context, made, sanitize_line(text_at(made, "id")) + "\n");
  return 0;
}

Result<int> restore(Context& context, ApiClient& api, const VolumeArguments& arguments) {
  if (!arguments.snapshot)
    return fail(Errc::invalid_argument, "which snapshot?",
                fmt::format("see: slipway volume snapshots {}", sanitize_line(*arguments.project)));
  SLIPWAY_TRY(const json::object all,
              api.post(target_of(arguments, fmt::format("/snapshots/{}/restore",
                                                        url_encode(*arguments.snapshot))),
                       {}));
  return print_snapshots(context, all);
}

// A snapshot, or all volumes of an environment.
Result<int> remove(Context& context, ApiClient& api, const VolumeArguments& arguments) {
  if (arguments.snapshot) {
    SLIPWAY_TRY(const json::object all,
                api.remove(target_of(
                    arguments, fmt::format("/snapshots/{}", url_encode(*arguments.snapshot)))));
    return print_snapshots(context, all);
  }
  if (!arguments.environment)
    return fail(Errc::invalid_argument, "of which environment?",
                fmt::format("slipway volume rm {} --env NAME", sanitize_line(*arguments.project)));
  SLIPWAY_TRY(const json::object gone, api.remove(target_of(arguments, "/volumes")));
  const std::string kept = text_at(object_at(gone, "snapshot"), "id");
  print_json_or(context, gone, kept.empty() ? "" : sanitize_line(kept) + "\n");
  if (!kept.empty() && !context.common.quiet && !context.common.json)
    context.console.err("what was in them is kept as this snapshot\n");
  return 0;
}

Result<int> share(Context& context, ApiClient& api, const VolumeArguments& arguments) {
  if (!arguments.from || arguments.with.value_or("previews") != "previews")
    return fail(Errc::invalid_argument, "share what with previews?",
                "slipway volume share PROJECT --from staging --with previews   (--from none ends "
                "it)");
  const std::string from = *arguments.from == "none" ? "" : *arguments.from;
  SLIPWAY_TRY(const json::object shared,
              api.post(fmt::format("/v1/projects/{}/volumes/share", url_encode(*arguments.project)),
                       {{"from", from}}));
  print_json_or(context, shared, (from.empty() ? "none" : sanitize_line(from)) + "\n");
  return 0;
}

struct VolumeAction {
  std::string_view name;
  Result<int> (*run)(Context& context, ApiClient& api, const VolumeArguments& arguments);
};
constexpr VolumeAction actions[] = {
    {"ls", list},         {"snapshot", snapshot}, {"snapshots", snapshots},
    {"restore", restore}, {"rm", remove},         {"share", share}};

Result<int> volume(Context& context, const VolumeArguments& arguments) {
  SLIPWAY_CHECK(check_place(*arguments.project, environment_of(arguments)));
  for (const VolumeAction& action : actions) {
    if (action.name != arguments.action) continue;
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
    return action.run(context, *api, arguments);
  }
  return fail(Errc::invalid_argument,
              fmt::format("slipway volume does not know '{}'", sanitize_line(*arguments.action)),
              "it knows: ls, snapshot, snapshots, restore, rm, share");
}

}  // namespace

Action define_volume(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<VolumeArguments>();
  arguments.positional("ACTION", own->action, "ls, snapshot, snapshots, restore, rm or share",
                       ValueKind::text, Presence::required);
  arguments.positional("PROJECT", own->project, "the project", ValueKind::project,
                       Presence::required);
  arguments.positional("SNAPSHOT", own->snapshot, "restore, rm: which one", ValueKind::text,
                       Presence::optional);
  arguments.option("-E, --env", "NAME", own->environment, "the environment (production)");
  arguments.option("-m, --message", "TEXT", own->message, "snapshot: why; it is kept");
  arguments.option("--from", "NAME", own->from,
                   "share: the environment whose data new previews start with a copy of, or none");
  arguments.option("--with", "previews", own->with, "share: with whom; only previews for now");
  arguments.flag("--json", common.json, "print the answer as JSON");
  return [own](Context& context) { return volume(context, *own); };
}

}  // namespace slipway::cli
