// Lists of what waits for people, a page at a time.
#include "db/waiting_page.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/text.h"
#include "db/governance_store.h"

namespace slipway {
namespace {

using Kind = WaitingFilter::Kind;

// Where a page ended: "<microseconds>.<id>". Things of one moment are in the order of their ids.
struct Place {
  std::int64_t at = INT64_MAX;
  std::string id;
};

Result<Place> parse_place(std::string_view text) {
  Place out;
  if (text.empty()) return out;
  const auto dot = text.find('.');
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.at);
  if (dot == std::string_view::npos || error != std::errc{} || end != text.data() + dot)
    return fail(Errc::invalid_argument, "no page begins there",
                "send the next_cursor of the page before, as it was");
  out.id = text.substr(dot + 1);
  return out;
}

constexpr std::string_view approvals_alone =
    " AND (?6='' OR resource=?6)"
    " AND (?7='' OR json_extract(record,'$.requester.kind') || ':' ||"
    " json_extract(record,'$.requester.name')=?7)"
    " AND (?8='' OR json_extract(record,'$.requester.on_behalf_of')=?8)"
    " AND (?9='' OR json_extract(record,'$.closed_at')>=?9)";

std::string query_text(Kind kind) {
  struct Table {
    Kind kind;
    std::string_view name, state;
  };
  constexpr std::array tables{Table{Kind::approvals, "approval", "?1"},
                              Table{Kind::waivers, "waiver", "?2"},
                              Table{Kind::emergencies, "break_glass", "?2"}};
  std::string all;
  for (const Table& table : tables) {
    if (kind != Kind::any && kind != table.kind) continue;
    all += fmt::format(
        "{}SELECT {} AS kind, id, created_at, record, project FROM {} WHERE ({}='' OR state={}) AND"
        " (?3='' OR project=?3) AND (created_at<?4 OR (created_at=?4 AND id>?5)){}",
        all.empty() ? "" : " UNION ALL ", static_cast<int>(table.kind), table.name, table.state,
        table.state, kind == Kind::approvals ? approvals_alone : "");
  }
  // Without a limit of rows where some are left out afterwards.
  return all + " ORDER BY created_at DESC, id LIMIT ?10";
}

}  // namespace

Result<WaitingPage> GovernanceStore::waiting(const WaitingFilter& filter) {
  SLIPWAY_TRY(const Place after, parse_place(filter.cursor));
  auto session = database_.read();
  SLIPWAY_TRY(Statement query, session.prepare(query_text(filter.kind)));
  if (filter.kind == Kind::any || filter.kind == Kind::approvals) query.bind(1, filter.state);
  if (filter.kind != Kind::approvals)
    query.bind(2, filter.state == "open" ? "requested" : filter.state);
  query.bind(3, filter.project).bind(4, after.at).bind(5, after.id);
  if (filter.kind == Kind::approvals) {
    query.bind(6, filter.resource).bind(7, filter.asker).bind(8, filter.asker_for);
    query.bind(9, filter.closed_since ? to_rfc3339(*filter.closed_since) : std::string());
  }
  // One more than a page has, which tells whether there is another.
  query.bind(10, filter.visible ? -1 : static_cast<std::int64_t>(filter.limit) + 1);
  const auto hidden = [&](std::string_view project, std::string_view environment) {
    return filter.visible && !filter.visible(project, environment);
  };
  WaitingPage page;
  Place last;
  for (std::size_t count = 0;;) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return page;
    // Before anything is read of it: pages must not cost the more for what is not on them.
    if (hidden(query.text(4), "")) continue;
    SLIPWAY_TRY(const json::value record, parse_json(query.text(3)));
    std::optional<ApprovalRequest> request;
    if (query.number(0) == static_cast<int>(Kind::approvals)) {
      SLIPWAY_TRY(request, approval_from_json(record));
      if (hidden(request->project, environment_of(*request))) continue;
    }
    if (count++ == filter.limit) {
      page.next = fmt::format("{}.{}", last.at, last.id);
      return page;
    }
    last = {.at = query.number(2), .id = query.text(1)};
    if (request) {
      page.approvals.push_back(*std::move(request));
    } else if (query.number(0) == static_cast<int>(Kind::waivers)) {
      SLIPWAY_TRY(Waiver waiver, waiver_from_json(record));
      page.waivers.push_back(std::move(waiver));
    } else {
      SLIPWAY_TRY(BreakGlass emergency, break_glass_from_json(record));
      page.emergencies.push_back(std::move(emergency));
    }
  }
}

std::string_view environment_of(const ApprovalRequest& request) {
  return request.environment.empty() ? std::string_view("*")
                                     : std::string_view(request.environment);
}

}  // namespace slipway
