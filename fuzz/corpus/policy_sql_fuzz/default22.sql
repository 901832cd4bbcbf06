SELECT d.subject, d.name FROM domain d JOIN request r
WHERE d.kind = 'custom' AND (d.verified = 0 OR (d.owner != '' AND d.owner != r.project))
