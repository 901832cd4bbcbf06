SELECT actor_name AS subject, point FROM request
WHERE actor_kind = 'agent' AND (point IN ('policy', 'budget') OR environment = 'production')
