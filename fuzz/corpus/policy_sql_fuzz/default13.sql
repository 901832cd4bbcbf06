SELECT f.subject, f.name, f.reason FROM freeze f JOIN request r
WHERE r.environment = 'production' AND f.starts_at <= r.now AND r.now < f.ends_at
