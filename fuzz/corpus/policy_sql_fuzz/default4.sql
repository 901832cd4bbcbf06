SELECT subject, 'its registry does not know it' AS detail FROM dependency WHERE COALESCE(in_registry, 1) = 0
