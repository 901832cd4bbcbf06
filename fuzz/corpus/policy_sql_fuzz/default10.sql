SELECT 'change' AS subject, c.files, COALESCE(c.lines_added, 0) + COALESCE(c.lines_removed, 0) AS lines
FROM change c JOIN request r
WHERE COALESCE(r.approvers, 1) > 0 AND c.base != ''
  AND (c.files > 50 OR COALESCE(c.lines_added, 0) + COALESCE(c.lines_removed, 0) > 1000)
