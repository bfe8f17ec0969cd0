"""A real `dure serve` without Docker, and a client that writes down every request and answer for
tests/contract (DURE_RECORD: a folder; without it nothing is recorded)."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

BIN = os.environ.get("DURE_BIN", "build/src/dure")
SOURCE = os.environ.get("DURE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("DURE_BUILD", os.path.join(SOURCE, "build"))
RECORD = os.environ.get("DURE_RECORD")
PASSWORD = "a long enough password"
RECORDED_MAX = 1_000_000  # characters of one body


def document():
    with open(os.path.join(BUILD, "api/openapi.json"), encoding="utf-8") as file:
        return json.load(file)


def operations(doc):
    """(method, path, operation) of the document."""
    for path, item in doc["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    def fields(self):
        """{pointer or parameter: code} of a problem."""
        return {f.get("pointer", f.get("parameter")): f["code"]
                for f in self.json().get("fields", [])}

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Dure:
    """One server with an operator and two users, `alice` and `bob`, each with an API token."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dure-api-")
        self.data = os.path.join(self.folder, "data")
        self.environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                            "HOME": self.folder}
        self.record = None
        if RECORD:
            os.makedirs(RECORD, exist_ok=True)
            name = f"api-{os.getpid()}-{time.monotonic_ns()}.jsonl"
            self.record = open(os.path.join(RECORD, name), "w", encoding="utf-8")
        self.process = None
        self.tokens = {}
        try:
            for login, role in (("boss", "operator"), ("alice", "user"), ("bob", "user")):
                self.admin("add-account", login, "--role", role)
            self.start()
            for login in ("boss", "alice", "bob"):
                self.tokens[login] = self.make_token(login)
        except BaseException:
            self.stop()
            raise

    def admin(self, *words):
        subprocess.run([BIN, "admin", *words, "--data-dir", self.data], input=PASSWORD + "\n",
                       text=True, check=True, capture_output=True, cwd=self.folder,
                       env=self.environment)

    def start(self):
        port_file = os.path.join(self.folder, "port")
        if os.path.exists(port_file):
            os.remove(port_file)
        self.log = open(os.path.join(self.folder, "log"), "a+", encoding="utf-8")
        self.process = subprocess.Popen(
            [BIN, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file,
             "--data-dir", self.data, "--service-port", str(free_port()),
             "--docker-socket", os.path.join(self.folder, "no-docker.sock")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder,
            env=self.environment)
        deadline = time.monotonic() + 30
        while not os.path.exists(port_file):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dure serve did not start:\n" + self.text())
            time.sleep(0.02)
        with open(port_file, encoding="utf-8") as file:
            self.port = int(file.read())

    def text(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        code = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                code = self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.log.close()
        if self.record:
            self.record.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code

    def request(self, method, path, body=None, login=None, headers=None, token=None):
        """`body`: bytes as they are, anything else as JSON. `login`: whose token to send."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        token = token or self.tokens.get(login)
        if token:
            sent["Authorization"] = "Bearer " + token
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            answer = Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        self.write_down(method, path, sent, body, answer)
        return answer

    def write_down(self, method, path, sent, body, answer):
        if not self.record:
            return
        text = answer.body.decode("utf-8")
        asked = (body or b"").decode("utf-8", "replace")
        json.dump({"method": method, "path": path, "status": answer.status,
                   "request_headers": {k: v for k, v in sent.items() if k != "Authorization"},
                   "request_body": asked if len(asked) < RECORDED_MAX else "",
                   "headers": answer.headers, "body": text}, self.record)
        self.record.write("\n")
        self.record.flush()

    def log_in(self, login, password=PASSWORD):
        """The session's cookie, as a header's value."""
        answer = self.request("POST", "/api/v1/session", {"login": login, "password": password})
        if answer.status != 200:
            raise AssertionError(answer)
        return answer.header("Set-Cookie").split(";")[0]

    def make_token(self, login):
        answer = self.request("POST", "/api/v1/tokens", {"name": "tests"},
                              headers={"Cookie": self.log_in(login)})
        if answer.status != 201:
            raise AssertionError(answer)
        return answer.json()["token"]


WORKLOAD = {"description": "웹 page", "registry": "docker_hub", "image": "nginx:1.27", "port": 80}
NODE = {"name": "cafe-1", "tier": 3, "gpu": {"model": "rtx4090", "count": 2}, "cpu_milli": 8000,
        "memory_mb": 32768, "base_per_hour": 300_000_000, "usage_per_hour": 200_000_000}
