# A server that forks for each client, and its clients.
import os
import socketserver
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"served " + self.path.encode())

    def log_message(self, *_):
        pass


class Server(socketserver.ForkingMixIn, socketserver.TCPServer):
    pass


with Server(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for i in range(5):
        print(urllib.request.urlopen("http://127.0.0.1:%d/%d" % (server.server_address[1], i)).read())
    server.shutdown()
print(os.path.basename(__file__))
