SELECT author AS subject, 'its tests do not pass' AS detail FROM policy_change WHERE tests_pass = 0
UNION ALL
SELECT author, 'it is not signed by an admin' FROM policy_change WHERE signed = 0
