SELECT 'scan' AS subject, state, detail FROM scan WHERE state != 'done'
UNION ALL
SELECT 'scan', 'none', 'nobody has scanned it' WHERE NOT EXISTS (SELECT 1 FROM scan)
