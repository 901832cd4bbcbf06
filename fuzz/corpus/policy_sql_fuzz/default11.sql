SELECT f.subject, f.path, f.kind FROM file f JOIN change c JOIN request r
WHERE COALESCE(r.approvers, 1) > 0 AND c.base != '' AND f.kind IN ('migration', 'auth', 'ci', 'container')
