#include "json/domain_json.h"

#include "json/convert.h"
#include "json/reader.h"

namespace slipway {

json::object to_json(const Domain& domain) {
  return {{"name", domain.name},
          {"project", domain.project},
          {"environment", domain.environment},
          {"state", !domain.verified    ? "pending"
                    : domain.lost_since ? "lost"
                                        : "verified"},
          {"verified", domain.verified},
          {"challenge",
           json::object{
               {"name", challenge_name(domain.name)}, {"type", "TXT"}, {"value", domain.token}}},
          {"actor", to_json(domain.actor)},
          {"created_at", to_rfc3339(domain.created_at)},
          {"verified_at", or_null(domain.verified_at)},
          {"checked_at", or_null(domain.checked_at)},
          {"lost_since", or_null(domain.lost_since)},
          {"problem", or_null(domain.problem)}};
}

Result<Domain> domain_from_json(const json::value& value) {
  Domain out;
  JsonReader reader(value);
  reader.require("name").require("project").require("environment").require("challenge");
  reader.read("name", out.name).read("project", out.project);
  reader.read("environment", out.environment).read("verified", out.verified);
  reader.read("created_at", out.created_at).read("verified_at", out.verified_at);
  reader.read("checked_at", out.checked_at).read("lost_since", out.lost_since);
  reader.read("problem", out.problem);
  SLIPWAY_CHECK(reader.status());
  JsonReader challenge(*reader.find("challenge"), "challenge");
  challenge.require("value").read("value", out.token);
  SLIPWAY_CHECK(challenge.status());
  if (const json::value* actor = reader.find("actor")) {
    SLIPWAY_TRY(out.actor, actor_from_json(*actor));
  }
  return out;
}

}  // namespace slipway
