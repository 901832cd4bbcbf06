SELECT v.subject, v.deploys_hour FROM velocity v JOIN request r
WHERE r.actor_kind = 'agent' AND v.scope = 'actor' AND v.deploys_hour >= 60
