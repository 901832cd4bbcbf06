SELECT v.subject, v.same_failure FROM velocity v JOIN request r
WHERE r.actor_kind = 'agent' AND v.scope = 'actor' AND v.same_failure >= 5
