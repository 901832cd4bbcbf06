SELECT subject, needed, available FROM budget
WHERE COALESCE(limit_amount, -1) >= 0 AND needed > available
