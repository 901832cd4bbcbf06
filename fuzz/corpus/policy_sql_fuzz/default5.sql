SELECT subject, COALESCE(age_days, 0) AS days FROM dependency
WHERE is_new = 1 AND (COALESCE(age_days, 1000) < 3 OR (COALESCE(install_script, 0) = 1 AND COALESCE(age_days, 1000) < 30))
