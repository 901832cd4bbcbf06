from http.server import HTTPServer, BaseHTTPRequestHandler
import os
HTTPServer(('', int(os.environ['PORT'])), BaseHTTPRequestHandler).serve_forever()
