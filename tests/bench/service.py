"""A real `dure serve` for the benchmarks: started, spoken to as JSON, ended."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

BIN = os.environ["DURE_BIN"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dure-bench-")
        self.service_port = free_port()
        port_file = os.path.join(self.folder, "port")
        self.output = os.path.join(self.folder, "output")
        with open(self.output, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [BIN, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file,
                 "--data-dir", os.path.join(self.folder, "data"), "--log-level", "warning",
                 "--service-port", str(self.service_port),
                 "--docker-socket", os.environ["DURE_DOCKER_SOCKET"]],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        deadline = time.monotonic() + 30
        while not os.path.exists(port_file):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dure serve did not start:\n" + self.text())
            time.sleep(0.02)
        with open(port_file, encoding="utf-8") as file:
            self.port = int(file.read())
        password = re.search(r"Password\s+(\S+)", self.text()).group(1)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self.token = None
        cookie = self.login(password)
        self.token = self.call("POST", "/tokens", {"name": "bench"}, cookie)["token"]

    def text(self):
        with open(self.output, encoding="utf-8") as file:
            return file.read()

    def login(self, password):
        body = json.dumps({"login": "operator", "password": password})
        self.connection.request("POST", "/api/v1/session", body,
                                {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        answer.read()
        return answer.headers["Set-Cookie"].split(";")[0]

    def call(self, method, path, body=None, cookie=None):
        headers = {"Content-Type": "application/json"}
        if cookie:
            headers["Cookie"] = cookie
        else:
            headers["Authorization"] = f"Bearer {self.token}"
        self.connection.request(method, "/api/v1" + path,
                                json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {data.decode()}")
        return json.loads(data) if data else None

    def register(self, **members):
        spec = {"description": "benchmark", "registry": "docker_hub", "cpu_milli": 100,
                "image": "dure-example/hello:1", "port": 8080, "memory_mb": 64, **members}
        return self.call("POST", "/workloads", spec)

    def wait_for(self, ser, *states, seconds=60):
        deadline = time.monotonic() + seconds
        while True:
            workload = self.call("GET", f"/workloads/{ser}")
            if workload["state"] in states:
                return workload
            if time.monotonic() > deadline:
                raise RuntimeError(f"workload {ser} is {workload['state']}: {workload['message']}")
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def first_200(port, host, start, seconds=60):
    """Seconds from `start` until a GET on the loopback port is answered with 200."""
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    while time.monotonic() - start < seconds:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
                stream.sendall(request)
                if stream.recv(64).split(b" ")[1:2] == [b"200"]:
                    return time.monotonic() - start
        except OSError:
            pass
        time.sleep(0.002)
    raise RuntimeError(f"no 200 from port {port} within {seconds} s")
