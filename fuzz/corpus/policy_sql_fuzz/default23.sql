SELECT actor_name AS subject, role, point FROM request
WHERE environment = 'production' AND automatic = 0 AND role NOT IN ('deployer', 'admin', 'approver')
