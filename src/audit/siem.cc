#include "audit/siem.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "audit/canonical.h"
#include "audit/merkle.h"

namespace slipway {
namespace {

struct Activity {
  int id;
  std::string_view name;
};

// What kind of call an event stands for, by its last word.
Activity activity_of(std::string_view event) {
  const std::string_view verb = event.substr(event.rfind('.') + 1);
  for (const std::string_view word : {"created", "added", "declared", "requested", "queued"})
    if (verb == word) return {1, "Create"};
  for (const std::string_view word :
       {"deleted", "removed", "purged", "revoked", "expired", "truncated"})
    if (verb == word) return {4, "Delete"};
  return {3, "Update"};
}

json::object user_of(const AuditRecord& record) {
  const Actor& actor = record.event.by.actor;
  json::object user{{"name", actor.name},
                    {"type", actor.kind == "human" ? "User" : "System"},
                    {"type_id", actor.kind == "human" ? 1 : 3}};
  if (!actor.token.empty()) user["credential_uid"] = actor.token;
  return user;
}

}  // namespace

std::string to_cloud_event(const AuditRecord& record, std::string_view canonical,
                           std::string_view origin) {
  // The data is the record itself: reading and writing it again would give other bytes.
  json::object event{{"specversion", "1.0"},
                     {"id", std::to_string(record.seq)},
                     {"source", std::string(origin)},
                     {"type", "slipway." + record.event.event},
                     {"time", to_rfc3339(record.time)},
                     {"datacontenttype", "application/json"}};
  if (!record.event.resource.empty()) event["subject"] = record.event.resource;
  std::string out = json::serialize(event);
  out.pop_back();
  return out.append(R"(,"data":)").append(canonical).append("}");
}

std::string to_ocsf(const AuditRecord& record, std::string_view canonical, std::string_view origin,
                    std::string_view product_version) {
  const AuditEvent& event = record.event;
  const Activity activity = activity_of(event.event);
  constexpr int api_activity = 6003;
  const std::int64_t milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(record.time.time_since_epoch()).count();
  json::object actor{{"user", user_of(record)}};
  if (!event.by.actor.session.empty())
    actor["session"] = json::object{{"uid", event.by.actor.session}};
  json::object api{{"operation", event.event}};
  if (!event.by.request_id.empty()) api["request"] = json::object{{"uid", event.by.request_id}};
  json::object out{
      {"activity_id", activity.id},
      {"activity_name", activity.name},
      {"category_uid", 6},
      {"category_name", "Application Activity"},
      {"class_uid", api_activity},
      {"class_name", "API Activity"},
      {"type_uid", api_activity * 100 + activity.id},
      {"severity_id", 1},
      {"severity", "Informational"},
      {"status_id", 1},
      {"status", "Success"},
      {"time", milliseconds},
      {"actor", std::move(actor)},
      {"api", std::move(api)},
      {"src_endpoint", event.by.source_address.empty()
                           ? json::object{{"name", "slipway"}}
                           : json::object{{"ip", event.by.source_address}}},
      {"resources", json::array{json::object{{"name", event.resource},
                                             {"namespace", event.project},
                                             {"labels", json::array{event.environment}}}}},
      {"metadata",
       json::object{{"version", "1.3.0"},
                    {"uid", std::to_string(record.seq)},
                    {"sequence", static_cast<std::int64_t>(record.seq)},
                    {"log_name", std::string(origin)},
                    {"original_time", to_rfc3339(record.time)},
                    {"product", json::object{{"name", "Slipway"},
                                             {"vendor_name", "Slipway"},
                                             {"version", std::string(product_version)}}}}},
      {"unmapped", json::object{{"leaf_hash", merkle::leaf_hash(canonical).str()},
                                {"chain",
                                 [&] {
                                   json::array chain;
                                   for (const std::string& link : event.by.actor.chain)
                                     chain.push_back(json::string(link));
                                   return chain;
                                 }()}}},
      {"raw_data", std::string(canonical)}};
  return json::serialize(out);
}

}  // namespace slipway
