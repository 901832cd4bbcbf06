// slipway ls: deployments, newest first.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/text.h"
#include "cli/all_pages.h"
#include "cli/release_view.h"
#include "cli/server.h"
#include "cli/view.h"

namespace slipway::cli {
namespace {

struct LsArguments {
  std::optional<std::string> project, alias, state, limit;
  bool all = false;
};

constexpr int page = 100, default_limit = 20;

bool over(const json::object& deployment) {
  const std::string state = text_at(deployment, "state");
  return state == "deleted" || state == "expired" || state == "canceled";
}

Result<std::string> first_query(const LsArguments& arguments) {
  std::string query = fmt::format("/v1/deployments?limit={}", page);
  const auto add = [&](std::string_view key, const std::optional<std::string>& value) {
    if (value) query += fmt::format("&{}={}", key, url_encode(*value));
  };
  if (arguments.state && !parse_deployment_state(*arguments.state))
    return fail(Errc::invalid_argument,
                fmt::format("there is no state '{}'", sanitize_line(*arguments.state)),
                "one of: queued building starting ready sleeping failed canceled stopped expired "
                "deleted");
  add("project", arguments.project);
  add("alias", arguments.alias);
  add("state", !arguments.state && arguments.all ? "all" : arguments.state);
  return query;
}

// Reads pages until `limit` rows are there. What is over counts only when asked for.
Result<json::array> collect(ApiClient& api, const LsArguments& arguments, std::size_t limit) {
  SLIPWAY_TRY(const std::string query, first_query(arguments));
  const bool want_over = arguments.all || arguments.state.has_value();
  json::array rows;
  for (std::string cursor;;) {
    SLIPWAY_TRY(const json::object answer,
                api.get(cursor.empty() ? query : query + "&cursor=" + url_encode(cursor)));
    for (const json::value& row : array_at(answer, "deployments")) {
      if (!row.is_object() || (!want_over && over(row.get_object()))) continue;
      rows.push_back(row);
      if (rows.size() == limit) return rows;
    }
    cursor = text_at(answer, "next_cursor");
    if (cursor.empty()) return rows;
  }
}

// What serves is never left out for its age, nor because its preview is over.
Status add_serving(ApiClient& api, const LsArguments& arguments, json::array& rows) {
  if (arguments.state || arguments.alias) return {};
  std::string query = "/v1/deployments?serves=true";
  if (arguments.project) query += "&project=" + url_encode(*arguments.project);
  SLIPWAY_TRY(const json::object answer, get_all(api, query, "deployments"));
  std::set<std::string> known;
  for (const json::value& row : rows) known.insert(text_at(row.get_object(), "id"));
  for (const json::value& row : array_at(answer, "deployments"))
    if (row.is_object() && !array_at(row.get_object(), "serves").empty() &&
        known.insert(text_at(row.get_object(), "id")).second)
      rows.push_back(row);
  return {};
}

Result<int> ls(Context& context, const LsArguments& arguments) {
  int limit = default_limit;
  if (arguments.limit) {
    SLIPWAY_TRY(limit, parse_count("--limit", *arguments.limit));
  }
  SLIPWAY_TRY(const std::unique_ptr<ApiClient> api, connect_server(context));
  SLIPWAY_TRY(json::array rows, collect(*api, arguments, static_cast<std::size_t>(limit)));
  SLIPWAY_CHECK(add_serving(*api, arguments, rows));
  if (context.common.json) {
    context.console.out(printable_json(json::object{{"deployments", rows}}));
    return 0;
  }
  if (rows.empty()) {
    if (!context.common.quiet)
      context.console.err("no deployments here; make one with: slipway deploy\n");
    return 0;
  }
  const Style style = context.console.out_style();
  std::vector<std::vector<std::string>> cells;
  // Which environments it serves, where any of them does.
  const bool any_serves = std::ranges::any_of(
      rows, [](const json::value& row) { return !serves_text(row.get_object()).empty(); });
  for (const json::value& value : rows) {
    const json::object& row = value.get_object();
    const auto created = parse_rfc3339(text_at(row, "created_at"));
    cells.push_back({sanitize_line(text_at(row, "id")), sanitize_line(text_at(row, "project")),
                     sanitize_line(text_at(row, "alias")),
                     paint_state(text_at(row, "state"), style),
                     created ? format_age(*created, context.clock.now()) : ""});
    if (any_serves) cells.back().push_back(serves_text(row));
    cells.back().push_back(sanitize_line(text_at(row, "url")));
  }
  std::vector<std::string> header{"ID", "PROJECT", "ALIAS", "STATE", "AGE", "URL"};
  if (any_serves) header.insert(header.end() - 1, "SERVES");
  context.console.out(table(header, cells, style));
  return 0;
}

}  // namespace

Action define_ls(Arguments& arguments, CommonOptions& common) {
  auto own = std::make_shared<LsArguments>();
  arguments.option("--project", "NAME", own->project, "of this project only", ValueKind::project);
  arguments.option("--alias", "NAME", own->alias, "of this alias only", ValueKind::alias);
  arguments.option("--state", "STATE", own->state, "in this state only", ValueKind::state);
  arguments.flag("-a, --all", own->all, "deleted, expired and canceled ones too");
  arguments.option("-n, --limit", "N", own->limit, fmt::format("at most N ({})", default_limit));
  arguments.flag("--json", common.json, "print {\"deployments\": [...]}");
  return [own](Context& context) { return ls(context, *own); };
}

}  // namespace slipway::cli
