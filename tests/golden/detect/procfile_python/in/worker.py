import redis
while True: pass
