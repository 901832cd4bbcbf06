SELECT 'project' AS subject, project AS alive, 200 AS most FROM preview_count WHERE project >= 200
UNION ALL
SELECT 'actor', p.actor, 50 FROM preview_count p JOIN request r WHERE r.actor_kind = 'agent' AND p.actor >= 50
