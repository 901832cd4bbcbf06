SELECT p.author AS subject, p.rules_weakened FROM policy_change p JOIN request r
WHERE COALESCE(r.approvers, 1) > 0 AND p.rules_weakened > 0
