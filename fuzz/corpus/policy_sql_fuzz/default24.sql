SELECT 'rollbacks' AS subject, h.automatic_rollbacks_hour FROM release_history h JOIN request r
WHERE r.automatic = 1 AND h.automatic_rollbacks_hour >= 2
