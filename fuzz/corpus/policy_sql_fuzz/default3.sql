SELECT subject, detail, file, fix FROM finding
WHERE scanner = 'secret' AND severity >= sev('high') AND waived = 0
