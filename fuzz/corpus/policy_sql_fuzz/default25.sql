SELECT c.subject, c.kind, c.name FROM config_change c JOIN request r
WHERE COALESCE(r.approvers, 1) > 0 AND c.live = 1 AND c.change = 'removed'
