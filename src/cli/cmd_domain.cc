// slipway domain: host names of one's own for an environment.
#include <fmt/format.h>

#include <memory>

#include "base/text.h"
#include "cli/all_pages.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

struct DomainArguments {
  std::optional<std::string> action, project, environment;
  std::vector<std::string> words;
};

std::string name_target(const DomainArguments& arguments, std::string_view rest) {
  std::string target = fmt::format("/v1/domains/{}{}", url_encode(arguments.words.front()), rest);
  if (arguments.project) target += "?project=" + url_encode(*arguments.project);
  return target;
}

// What is left to do, on stderr.
void print_next(Context& context, const json::object& domain) {
  const json::object challenge = object_at(domain, "challenge");
  context.console.err(fmt::format(
      "prove that it is yours by a DNS record:\n\n  {}  {}  \"{}\"\n\nthen: slipway domain verify "
      "{}\n",
      sanitize_line(text_at(challenge, "name")), sanitize_line(text_at(challenge, "type")),
      sanitize_line(text_at(challenge, "value")), sanitize_line(text_at(domain, "name"))));
}

Result<int> add(Context& context, ApiClient& api, const DomainArguments& arguments) {
  if (arguments.words.size() != 2)
    return fail(Errc::invalid_argument, "domain add takes a project and a name",
                "such as: slipway domain add shop www.example.com");
  SLIPWAY_TRY(
      const json::object added,
      api.post("/v1/domains", {{"project", arguments.words[0]},
                               {"name", arguments.words[1]},
                               {"environment", arguments.environment.value_or("production")}}));
  if (context.common.json) {
    context.console.out(printable_json(added));
    return 0;
  }
  context.console.out(sanitize_line(text_at(added, "name")) + "\n");
  if (!context.common.quiet) print_next(context, added);
  return 0;
}

Result<int> verify(Context& context, ApiClient& api, const DomainArguments& arguments) {
  if (arguments.words.size() != 1)
    return fail(Errc::invalid_argument, "domain verify takes a name", "see: slipway domain ls");
  SLIPWAY_TRY(const json::object proven, api.post(name_target(arguments, "/verify"), {}));
  context.console.out(context.common.json ? printable_json(proven)
                                          : sanitize_line(text_at(proven, "url")) + "\n");
  return 0;
}

Result<int> remove(Context& context, ApiClient& api, const DomainArguments& arguments) {
  if (arguments.words.size() != 1)
    return fail(Errc::invalid_argument, "domain rm takes a name", "see: slipway domain ls");
  SLIPWAY_TRY(const json::object gone, api.remove(name_target(arguments, "")));
  context.console.out(context.common.json ? printable_json(gone)
                                          : sanitize_line(text_at(gone, "name")) + "\n");
  return 0;
}

Result<int> list(Context& context, ApiClient& api, const DomainArguments& arguments) {
  if (arguments.words.size() > 1)
    return fail(Errc::invalid_argument, "domain ls takes one project at the most");
  const std::string project =
      arguments.words.empty() ? arguments.project.value_or("") : arguments.words.front();
  SLIPWAY_TRY(
      const json::object all,
      get_all(api, project.empty() ? "/v1/domains" : "/v1/domains?project=" + url_encode(project),
              "domains"));
  if (context.common.json) {
    context.console.out(printable_json(all));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& value : array_at(all, "domains")) {
    if (!value.is_object()) continue;
    const json::object& domain = value.get_object();
    const auto checked = parse_rfc3339(text_at(domain, "checked_at"));
    rows.push_back(
        {sanitize_line(text_at(domain, "name")), sanitize_line(text_at(domain, "project")),
         sanitize_line(text_at(domain, "environment")), sanitize_line(text_at(domain, "state")),
         checked ? format_age(*checked, context.clock.now()) : "-",
         sanitize_line(text_at(domain, "problem"))});
  }
  context.console.out(table({"NAME", "PROJECT", "ENVIRONMENT", "STATE", "CHECKED", "PROBLEM"}, rows,
                            context.console.out_style()));
  return 0;
}

struct DomainAction {
  std::string_view name;
  Result<int> (*run)(Context& context, ApiClient& api, const DomainArguments& arguments);
};
constexpr DomainAction actions[] = {{"add", add}, {"verify", verify}, {"ls", list}, {"rm", remove}};

Result<int> domain(Context& context, const DomainArguments& arguments) {
  for (const DomainAction& action : actions) {
    if (action.name != arguments.action) continue;
    SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
    return action.run(context, *api, arguments);
  }
  return fail(Errc::invalid_argument,
              fmt::format("slipway domain does not know '{}'", sanitize_line(*arguments.action)),
              "it knows: add, verify, ls, rm");
}

}  // namespace

Action define_domain(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<DomainArguments>();
  arguments.positional("ACTION", own->action, "add, verify, ls or rm", ValueKind::text,
                       Presence::required);
  arguments.positionals("WORD", own->words, "add: PROJECT NAME; verify, rm: NAME; ls: PROJECT",
                        ValueKind::text, Presence::optional);
  arguments.option("-E, --env", "NAME", own->environment,
                   "add: the environment that it leads to (production)");
  arguments.option("--project", "NAME", own->project, "whose claim, when several projects have one",
                   ValueKind::project);
  arguments.flag("--json", common.json, "print the domain as JSON");
  return [own](Context& context) { return domain(context, *own); };
}

}  // namespace slipway::cli
