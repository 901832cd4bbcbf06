#include "json/json.h"
#include "json/reader.h"

namespace slipway {

Result<Actor> actor_from_json(const json::value& value) {
  Actor actor;
  JsonReader reader(value);
  reader.read("kind", actor.kind)
      .read("name", actor.name)
      .read("on_behalf_of", actor.on_behalf_of)
      .read("chain", actor.chain)
      .read("token", actor.token)
      .read("path", actor.path)
      .read("session", actor.session)
      .read("task", actor.task);
  SLIPWAY_CHECK(reader.status());
  return actor;
}

}  // namespace slipway
