"""docker.io and ghcr.io as far as a copy meets them: TLS under their names, a token for whoever asks, the registries behind."""
import http.client, http.server, json, ssl, sys

behind = {"registry-1.docker.io": 5001, "ghcr.io": 5002}
realm = {"registry-1.docker.io": "auth.docker.io", "ghcr.io": "ghcr.io"}

class Front(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status, headers, body=b""):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "transfer-encoding") or (self.command == "HEAD" and name.lower() == "content-length"):
                self.send_header(name, value)
        if self.command != "HEAD": self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(body)
    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while (size := int(self.rfile.readline().split(b";")[0], 16)) > 0:
            parts.append(self.rfile.read(size)); self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)
    def handle_any(self):
        host, body = self.headers["Host"].split(":")[0], self.body()
        # In one piece: others are written at the same time.
        sys.stdout.write(f"{host} {self.command} {self.path.split('?')[0]}\n")
        sys.stdout.flush()
        if self.path.startswith("/token"):
            return self.answer(200, [("Content-Type", "application/json")], json.dumps({"token": "a-token", "expires_in": 300}).encode())
        if host not in behind:
            return self.answer(404, [("Content-Type", "application/json")], b'{"message":"Not Found"}')
        if self.headers.get("Authorization") != "Bearer a-token":
            challenge = f'Bearer realm="https://{realm[host]}/token",service="{host}"'
            return self.answer(401, [("WWW-Authenticate", challenge), ("Content-Type", "application/json")], b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        there = http.client.HTTPConnection("127.0.0.1", behind[host])
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("authorization", "transfer-encoding", "content-length", "connection")}
        there.request(self.command, self.path, body if self.command not in ("GET", "HEAD") else None, headers | {"X-Forwarded-Proto": "https"})
        answer = there.getresponse()
        self.answer(answer.status, answer.getheaders(), answer.read())
    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = handle_any

server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Front)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
