#pragma once

#include <string_view>

namespace slipway {

// How many previews are live, in all and of whom: every decision asks, so nothing is scanned. A
// deployment keeps its project and its author.
inline constexpr std::string_view live_schema = R"(
CREATE TABLE live_previews (
  scope TEXT NOT NULL CHECK (scope IN ('all','project','actor','agent')), name TEXT NOT NULL,
  count INTEGER NOT NULL, PRIMARY KEY (scope, name)) STRICT, WITHOUT ROWID;
INSERT INTO live_previews
  SELECT 'all', '', count(*) FROM deployment WHERE state IN ('ready','sleeping')
  UNION ALL SELECT 'project', project, count(*) FROM deployment
    WHERE state IN ('ready','sleeping') GROUP BY project
  UNION ALL SELECT 'actor', actor, count(*) FROM deployment
    WHERE state IN ('ready','sleeping') AND actor IS NOT NULL GROUP BY actor
  UNION ALL SELECT 'agent', top_agent, count(*) FROM deployment
    WHERE state IN ('ready','sleeping') AND top_agent IS NOT NULL GROUP BY top_agent;
CREATE TRIGGER live_previews_added AFTER INSERT ON deployment
  WHEN NEW.state IN ('ready','sleeping') BEGIN
  INSERT INTO live_previews SELECT column1, column2, 1 FROM (VALUES
    ('all',''), ('project',NEW.project), ('actor',NEW.actor), ('agent',NEW.top_agent))
    WHERE column2 IS NOT NULL ON CONFLICT DO UPDATE SET count=count+1;
END;
CREATE TRIGGER live_previews_came AFTER UPDATE OF state ON deployment
  WHEN NEW.state IN ('ready','sleeping') AND OLD.state NOT IN ('ready','sleeping') BEGIN
  INSERT INTO live_previews SELECT column1, column2, 1 FROM (VALUES
    ('all',''), ('project',NEW.project), ('actor',NEW.actor), ('agent',NEW.top_agent))
    WHERE column2 IS NOT NULL ON CONFLICT DO UPDATE SET count=count+1;
END;
CREATE TRIGGER live_previews_went AFTER UPDATE OF state ON deployment
  WHEN OLD.state IN ('ready','sleeping') AND NEW.state NOT IN ('ready','sleeping') BEGIN
  UPDATE live_previews SET count=count-1 WHERE (scope, name) IN (VALUES
    ('all',''), ('project',OLD.project), ('actor',OLD.actor), ('agent',OLD.top_agent));
  DELETE FROM live_previews WHERE count<=0 AND (scope, name) IN (VALUES
    ('project',OLD.project), ('actor',OLD.actor), ('agent',OLD.top_agent));
END;
CREATE TRIGGER live_previews_removed AFTER DELETE ON deployment
  WHEN OLD.state IN ('ready','sleeping') BEGIN
  UPDATE live_previews SET count=count-1 WHERE (scope, name) IN (VALUES
    ('all',''), ('project',OLD.project), ('actor',OLD.actor), ('agent',OLD.top_agent));
END;
DROP INDEX deployment_live;
DROP INDEX deployment_live_agent;
)";

}  // namespace slipway
