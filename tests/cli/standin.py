"""A server that misbehaves to order: what a real one cannot be made to show."""
import http.server
import json
import socket
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        self.server.script(self)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

    def reply(self, status, body=b"", kind="application/json", headers=()):
        if not isinstance(body, bytes):
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def problem(self, status, slug, title, detail, **extra):
        self.reply(
            status,
            {
                "type": f"https://dure.dev/problems/{slug}",
                "title": title,
                "status": status,
                "detail": detail,
                "instance": "0123456789abcdef",
                **extra,
            },
            "application/problem+json",
        )


class Server(http.server.ThreadingHTTPServer):
    """`script(handler)` answers each request; `seen` keeps them."""

    daemon_threads = True

    def __init__(self, script, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.script = script
        self.seen = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Raw:
    """Answers every connection with the same bytes, then closes; None: says nothing."""

    def __init__(self, data):
        self.data = data
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection:
            connection.recv(65536)
            if self.data is None:
                time.sleep(30)
            else:
                try:
                    connection.sendall(self.data)
                except OSError:
                    pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
