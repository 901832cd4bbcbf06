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
        "{}SELECT {} AS kind, id, created_at, record FROM {} WHERE ({}='' OR state={}) AND"
        " (?3='' OR project=?3) AND (created_at<?4 OR (created_at=?4 AND id>?5))",
        all.empty() ? "" : " UNION ALL ", static_cast<int>(table.kind), table.name, table.state,
        table.state);
  }
  // One more than a page has, which tells whether there is another.
  return all + " ORDER BY created_at DESC, id LIMIT ?6";
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
  query.bind(6, static_cast<std::int64_t>(filter.limit) + 1);
  WaitingPage page;
  Place last;
  for (std::size_t count = 0;; ++count) {
    SLIPWAY_TRY(const bool row, query.step());
    if (!row) return page;
    if (count == filter.limit) {
      page.next = fmt::format("{}.{}", last.at, last.id);
      return page;
    }
    last = {.at = query.number(2), .id = query.text(1)};
    SLIPWAY_TRY(const json::value record, parse_json(query.text(3)));
    if (query.number(0) == static_cast<int>(Kind::approvals)) {
      SLIPWAY_TRY(ApprovalRequest request, approval_from_json(record));
      page.approvals.push_back(std::move(request));
    } else if (query.number(0) == static_cast<int>(Kind::waivers)) {
      SLIPWAY_TRY(Waiver waiver, waiver_from_json(record));
      page.waivers.push_back(std::move(waiver));
    } else {
      SLIPWAY_TRY(BreakGlass emergency, break_glass_from_json(record));
      page.emergencies.push_back(std::move(emergency));
    }
  }
}

}  // namespace slipway
