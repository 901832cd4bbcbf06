SELECT 'time' AS subject FROM request
WHERE environment = 'production' AND ((weekday = 5 AND hour >= 16) OR weekday IN (6, 7))
