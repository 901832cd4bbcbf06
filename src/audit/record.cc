#include "audit/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <cctype>

#include "audit/canonical.h"
#include "audit/tile.h"
#include "base/text.h"

namespace slipway {
namespace {

constexpr std::size_t longest_text = 1024, most_details = 64, most_links = 64;
// What is tried, one after the other, until a record fits into a bundle's entry.
constexpr std::size_t text_limits[] = {longest_text, 256, 64};
constexpr std::int64_t exact = std::int64_t{1} << 53;

bool of_a_token(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("_-.~=+/").contains(c);
}

// What a bearer secret of ours looks like: a mark and 16 letters or more.
void blot_secrets(std::string& text) {
  for (const std::string_view mark : {"slp_", "slpt_"})
    for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos;) {
      at += mark.size();
      std::size_t end = at;
      while (end < text.size() && of_a_token(text[end])) ++end;
      if (end - at >= 16) text.replace(at, end - at, "[removed]");
    }
}

std::string fitted(std::string_view text, std::size_t longest) {
  // Plain and short, as nearly all of it is.
  const bool plain = text.size() <= longest &&
                     std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
  std::string out = plain ? std::string(text) : sanitize_line(text);
  blot_secrets(out);
  if (out.size() > longest) {
    std::size_t end = longest - 3;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0u) == 0x80) --end;
    out.resize(end);
    out += "...";
  }
  return out;
}

class Writer {
 public:
  Writer(json::object& out, std::size_t longest) : out_(out), longest_(longest) {}
  Writer& text(std::string_view name, std::string_view value) {
    if (!value.empty()) out_[name] = fitted(value, longest_);
    return *this;
  }

 private:
  json::object& out_;
  std::size_t longest_;
};

json::object actor_json(const Actor& actor, std::size_t longest) {
  json::object out;
  Writer(out, longest)
      .text("kind", actor.kind)
      .text("name", actor.name)
      .text("on_behalf_of", actor.on_behalf_of)
      .text("session", actor.session)
      .text("task", actor.task)
      .text("token", actor.token);
  if (!actor.chain.empty()) {
    json::array chain;
    for (const std::string& link : actor.chain) {
      if (longest < longest_text && chain.size() == most_links) break;
      chain.push_back(json::string(fitted(link, longest)));
    }
    out["chain"] = std::move(chain);
  }
  return out;
}

// Takes members out of an object and remembers the first that was of another type.
class Reader {
 public:
  Reader(const json::object& object, std::string& problem) : object_(object), problem_(problem) {}

  Reader& text(std::string_view name, std::string& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) return *this;
    if (!value->is_string()) return wrong(name);
    out = value->get_string();
    return *this;
  }
  Reader& number(std::string_view name, std::int64_t& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) return *this;
    if (!value->is_int64() || value->get_int64() > exact || value->get_int64() < -exact)
      return wrong(name);
    out = value->get_int64();
    return *this;
  }
  // Nothing when it is absent.
  const json::object* object(std::string_view name) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) return nullptr;
    if (!value->is_object()) wrong(name);
    return value->if_object();
  }
  Reader& wrong(std::string_view name) {
    if (problem_.empty())
      problem_ = fmt::format("an audit record's {} is not what it should be", name);
    return *this;
  }

 private:
  const json::object& object_;
  std::string& problem_;
};

void read_actor(const json::object& object, std::string& problem, Actor& actor) {
  actor.kind.clear();
  Reader reader(object, problem);
  reader.text("kind", actor.kind)
      .text("name", actor.name)
      .text("on_behalf_of", actor.on_behalf_of)
      .text("session", actor.session)
      .text("task", actor.task)
      .text("token", actor.token);
  const json::value* chain = object.if_contains("chain");
  if (chain == nullptr) return;
  if (!chain->is_array()) {
    reader.wrong("actor.chain");
    return;
  }
  for (const json::value& link : chain->get_array()) {
    if (!link.is_string()) {
      reader.wrong("actor.chain");
      return;
    }
    actor.chain.emplace_back(link.get_string());
  }
}

Timestamp to_milliseconds(Timestamp time) {
  return std::chrono::floor<std::chrono::milliseconds>(time);
}

}  // namespace

std::string audit_text(std::string_view text) { return fitted(text, longest_text); }

Digest diff_digest(const ManifestDiff& diff) {
  const auto object = [&](auto&& written) {
    json::object out;
    for (const auto& [name, paths] :
         {std::pair("added", &diff.added), std::pair("modified", &diff.modified),
          std::pair("removed", &diff.removed)}) {
      json::array list;
      for (const std::string& path : *paths) list.push_back(json::string(written(path)));
      out[name] = std::move(list);
    }
    return out;
  };
  const auto as_it_is = canonical_json(object([](const std::string& path) { return path; }));
  if (as_it_is) return sha256(*as_it_is);
  return sha256(
      canonical_json(object([](const std::string& path) { return sanitize_line(path); })).value());
}

namespace {

// With no text longer than `longest`.
Result<std::string> canonical_within(const AuditRecord& record, std::size_t longest) {
  const AuditEvent& event = record.event;
  json::object out{{"v", 1},
                   {"seq", static_cast<std::int64_t>(record.seq)},
                   {"time", to_rfc3339(record.time)},
                   {"actor", actor_json(event.by.actor, longest)},
                   {"previous", record.previous.str()}};
  Writer(out, longest)
      .text("event", event.event)
      .text("action", event.action)
      .text("resource", event.resource)
      .text("team", event.team)
      .text("project", event.project)
      .text("environment", event.environment)
      .text("source", event.by.source_address)
      .text("request", event.by.request_id)
      .text("role", event.by.role == "none" ? std::string_view() : event.by.role)
      .text("decision", event.by.decision)
      .text("waiver", event.by.waiver)
      .text("before", event.before)
      .text("after", event.after)
      .text("artifact", event.artifact)
      .text("sbom", event.sbom)
      .text("policy_set", event.policy_set)
      .text("facts", event.facts);
  if (event.cost_micros != 0) out["cost_micros"] = event.cost_micros;
  if (!event.detail.empty()) {
    json::object detail;
    for (const auto& [name, value] : event.detail) {
      if (detail.size() == most_details) break;
      detail[fitted(name, longest)] = fitted(value, longest);
    }
    out["detail"] = std::move(detail);
  }
  return canonical_json(out);
}

}  // namespace

Result<std::string> canonical_record(const AuditRecord& record) {
  const AuditEvent& event = record.event;
  if (record.seq == 0 || record.seq > static_cast<std::uint64_t>(exact) ||
      event.cost_micros > exact || event.cost_micros < -exact)
    return fail(Errc::invalid_argument, "a number is too large for an audit record");
  for (const std::size_t longest : text_limits) {
    SLIPWAY_TRY(std::string out, canonical_within(record, longest));
    if (out.size() <= tlog::largest_entry) return out;
  }
  return fail(Errc::internal, "an audit record is too large however its texts are cut");
}

Result<AuditRecord> parse_audit_record(std::string_view canonical) {
  SLIPWAY_TRY(const json::value value, parse_canonical(canonical));
  if (!value.is_object()) return fail(Errc::corrupt, "an audit record is a JSON object");
  AuditRecord record;
  AuditEvent& event = record.event;
  std::string problem, time, previous;
  std::int64_t version = 0, seq = 0;
  Reader reader(value.get_object(), problem);
  reader.number("v", version)
      .number("seq", seq)
      .number("cost_micros", event.cost_micros)
      .text("time", time)
      .text("previous", previous)
      .text("event", event.event)
      .text("action", event.action)
      .text("resource", event.resource)
      .text("team", event.team)
      .text("project", event.project)
      .text("environment", event.environment)
      .text("source", event.by.source_address)
      .text("request", event.by.request_id)
      .text("role", event.by.role)
      .text("decision", event.by.decision)
      .text("waiver", event.by.waiver)
      .text("before", event.before)
      .text("after", event.after)
      .text("artifact", event.artifact)
      .text("sbom", event.sbom)
      .text("policy_set", event.policy_set)
      .text("facts", event.facts);
  if (const json::object* actor = reader.object("actor"))
    read_actor(*actor, problem, event.by.actor);
  else
    reader.wrong("actor");
  if (const json::object* detail = reader.object("detail"))
    for (const auto& [name, member] : *detail) {
      if (!member.is_string()) {
        reader.wrong("detail");
        break;
      }
      event.detail.emplace(name, member.get_string());
    }
  const auto when = parse_rfc3339(time);
  const auto before = Digest::parse(previous);
  if (version != 1) reader.wrong("v");
  if (seq < 1) reader.wrong("seq");
  if (!when || to_rfc3339(*when) != time) reader.wrong("time");
  if (!before || before->str() != previous) reader.wrong("previous");
  if (!problem.empty()) return fail(Errc::corrupt, problem);
  record.seq = static_cast<std::uint64_t>(seq);
  record.time = to_milliseconds(*when);
  record.previous = *before;
  return record;
}

}  // namespace slipway
