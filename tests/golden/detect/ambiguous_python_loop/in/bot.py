import time, urllib.request
while True:
    urllib.request.urlopen('https://example.com')
    time.sleep(60)
