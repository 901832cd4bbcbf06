SELECT label AS subject FROM token_request
WHERE for_kind = 'agent' AND (COALESCE(expires_in, 1000000000) > 604800 OR narrower = 0)
