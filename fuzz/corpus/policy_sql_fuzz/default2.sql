SELECT subject, detail, fix FROM finding
WHERE severity = sev('high') AND is_new = 1 AND waived = 0 AND scanner != 'secret'
