"""What the system tests share: a real `dure serve` on a data directory that outlives it, its API,
and the four places that must agree about the world: API, database, Docker, HAProxy."""
import contextlib
import http.client
import json
import os
import re
import signal
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time

BIN = os.environ["DURE_BIN"]
HELLO = os.environ["DURE_HELLO"]
SOURCE = os.environ["DURE_SOURCE"]
DOCKER_SOCKET = os.environ.get("DURE_DOCKER_SOCKET", "")
IMAGE = "dure-example/hello:1"
SETTLED = ("registered", "deployed", "degraded", "terminated", "failed")
POINT = 1_000_000  # µP


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def docker(*words, check=True):
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60)
    if check and done.returncode != 0:
        raise RuntimeError(f"docker {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.split("\n")[:-1] if done.returncode == 0 else []


def make_image():
    subprocess.run(["sh", os.path.join(SOURCE, "scripts/hello-image.sh"), HELLO, IMAGE],
                   check=True, stdout=subprocess.DEVNULL, timeout=60)


def until(what, check, seconds=10.0, every=0.05):
    """Waits until check() is true and returns it; `what` (or what()) says what was waited for."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            words = what() if callable(what) else what
            raise AssertionError(f"not within {seconds:g} s: {words}")
        time.sleep(every)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class System:
    """One data directory; start, kill and start again."""

    def __init__(self, *flags):
        self.folder = tempfile.mkdtemp(prefix="sys-")
        self.data = os.path.join(self.folder, "d")
        self.flags = list(flags)
        self.service_port = free_port()
        self.process = None
        self.port = 0
        self.token = None
        self.log = open(os.path.join(self.folder, "log"), "ab", buffering=0)
        self.kills = 0

    # The process ------------------------------------------------------------------------------

    def start(self, failpoint=None, wait=True):
        assert self.process is None or self.process.poll() is not None
        port_file = os.path.join(self.folder, "port")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(port_file)
        env = {k: v for k, v in os.environ.items()
               if k in ("PATH", "HOME", "TMPDIR") or k.endswith("SAN_OPTIONS")}
        if failpoint:
            env["DURE_FAILPOINT"] = failpoint
        self.process = subprocess.Popen(
            [BIN, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file,
             "--data-dir", self.data, "--service-port", str(self.service_port),
             "--docker-socket", DOCKER_SOCKET, "--log-level", "debug", *self.flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder, env=env)
        if not wait:
            return
        self.wait_port()

    def wait_port(self):
        """The port is known; or the process has ended by a failure point meanwhile (port 0)."""
        port_file = os.path.join(self.folder, "port")
        end = time.monotonic() + 30
        self.port = 0
        while not os.path.exists(port_file):
            status = self.process.poll()
            if status == -signal.SIGKILL:
                return
            if status is not None or time.monotonic() > end:
                raise AssertionError(f"dure serve did not start ({status}):\n{self.tail()}")
            time.sleep(0.01)
        with open(port_file, encoding="utf-8") as file:
            self.port = int(file.read())
        if self.token is None:
            self.login()

    def login(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            password = re.search(r"Password\s+(\S+)", file.read())[1]
        done = self.call("POST", "/session", {"login": "operator", "password": password})
        assert done.status == 200, done
        cookie = done.headers["Set-Cookie"].split(";")[0]
        done = self.call("POST", "/tokens", {"name": "system"}, {"Cookie": cookie})
        assert done.status == 201, done
        self.token = done.json["token"]

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.kills += 1

    def stop(self):
        """By SIGTERM; a clean end is part of every test."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("SIGTERM did not end it within 30 s:\n" + self.tail()) from None
        assert status == 0, f"it ended with {status}:\n{self.tail()}"

    def close(self):
        if self.process and self.process.poll() is None:
            try:
                self.stop()
            finally:
                self.end_haproxy()
        else:
            self.end_haproxy()
        self.remove_all()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_haproxy(self):
        for pid in self.haproxies():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove_all(self):
        """What a failed test leaves must not disturb the next."""
        ids = docker("ps", "-aq", "--filter", "label=dev.dure.instance")
        if ids:
            docker("rm", "-fv", *ids, check=False)
        networks = docker("network", "ls", "-q", "--filter", "label=dev.dure.instance")
        if networks:
            docker("network", "rm", *networks, check=False)

    def tail(self, lines=40):
        """The end of the log without HAProxy's own chatter."""
        with open(self.log.name, encoding="utf-8", errors="replace") as file:
            kept = [line for line in file if "debug   haproxy: [WARNING]" not in line]
        return "".join(kept[-lines:])

    # The API ----------------------------------------------------------------------------------

    def call(self, method, path, body=None, headers=None):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        head = dict(headers or {})
        if self.token and not headers:
            head["Authorization"] = "Bearer " + self.token
        data = None
        if body is not None:
            data = json.dumps(body)
            head["Content-Type"] = "application/json"
        try:
            client.request(method, "/api/v1" + path, data, head)
            got = client.getresponse()
            return Answer(got.status, got.headers, got.read().decode())
        finally:
            client.close()

    def want(self, status, method, path, body=None):
        got = self.call(method, path, body)
        assert got.status == status, f"{method} {path}: {got}, wanted {status}"
        return got.json if got.body else None

    def add_node(self, name="slot", gpus=8, **more):
        gpu = {"model": "rtx4090", "count": gpus} if gpus else None
        node = {"name": name, "tier": 3, "gpu": gpu, "cpu_milli": 64000, "memory_mb": 65536,
                "base_per_hour": 300 * POINT, "usage_per_hour": 500 * POINT, **more}
        return self.want(201, "POST", "/nodes", node)

    def register(self, **more):
        spec = {"description": "system test", "registry": "docker_hub", "image": IMAGE,
                "port": 8080, "target": "tier3", "replicas": 1,
                "gpu": {"model": "rtx4090", "count": 1}, "cpu_milli": 100, "memory_mb": 64, **more}
        return self.want(201, "POST", "/workloads", spec)["ser"]

    def workload(self, ser):
        return self.want(200, "GET", f"/workloads/{ser}")

    def pods(self, ser):
        return self.want(200, "GET", f"/workloads/{ser}/pods")["items"]

    def events(self, ser):
        return self.want(200, "GET", f"/workloads/{ser}/events?limit=200")["items"]

    def deploy(self, ser):
        return self.want(202, "POST", f"/workloads/{ser}/deploy")

    def terminate(self, ser):
        return self.want(202, "POST", f"/workloads/{ser}/terminate")

    def until_state(self, ser, *states, seconds=20.0):
        def words():
            return (f"workload {ser} in {states}, is {self.workload(ser)}\n{self.pods(ser)}\n"
                    f"{self.tail(25)}")
        return until(words, lambda: (w := self.workload(ser))["state"] in states and w, seconds)

    def until_event(self, ser, reason, seconds=20.0):
        return until(lambda: f"event {reason} of {ser} among {self.events(ser)}\n{self.tail(25)}",
                     lambda: next((e for e in self.events(ser) if e["reason"] == reason), None),
                     seconds)

    def visit(self, ser, path="/json"):
        """The service URL, over a connection of its own."""
        host = self.workload(ser)["service_url"].split("//")[1].rstrip("/")
        return self.visit_host(host, path)

    def visit_host(self, host, path="/json"):
        client = http.client.HTTPConnection("127.0.0.1", self.service_port, timeout=10)
        try:
            client.request("GET", path, headers={"Host": host})
            got = client.getresponse()
            return Answer(got.status, got.headers, got.read().decode())
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, {}, repr(error))
        finally:
            client.close()

    def pods_answering(self, ser, visits=12):
        answers = [self.visit(ser) for _ in range(visits)]
        bad = [a for a in answers if a.status != 200]
        assert not bad, f"{len(bad)} of {visits} visits failed, first {bad[0]}\n{self.tail(25)}"
        return {a.json["pod"] for a in answers}

    # The other witnesses ----------------------------------------------------------------------

    def rows(self, query, *values):
        path = os.path.join(self.data, "dure.db")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True,
                                                timeout=10)) as db:
            return db.execute(query, values).fetchall()

    @property
    def instance(self):
        return self.rows("SELECT value FROM setting WHERE name = 'instance'")[0][0]

    def containers(self, running=False):
        words = ["ps", "--filter", f"label=dev.dure.instance={self.instance}",
                 "--format", "{{.Names}}"]
        return set(docker(*words, *([] if running else ["-a"])))

    def networks(self):
        return set(docker("network", "ls", "--filter", f"label=dev.dure.instance={self.instance}",
                          "--format", "{{.Name}}"))

    def haproxies(self):
        """Processes that run this data directory's configuration: master and workers."""
        config = os.path.join(self.data, "gateway", "haproxy.cfg").encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
                if config in words and b"haproxy" in os.path.basename(words[0]):
                    found.append(int(pid))
        return sorted(found)

    def haproxy_ask(self, command):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(os.path.join(self.data, "gateway", "stats.sock"))
            link.sendall(command.encode() + b"\n")
            parts = []
            while part := link.recv(65536):
                parts.append(part)
        return b"".join(parts).decode()

    def routed_hosts(self):
        """The hosts in HAProxy's map of services."""
        path = os.path.join(self.data, "gateway", "hosts.map")
        lines = self.haproxy_ask(f"show map {path}").split("\n")
        return {line.split()[1] for line in lines if len(line.split()) >= 3}

    # The invariants ---------------------------------------------------------------------------

    def troubles(self):
        """Everything in which the witnesses contradict each other; empty when all is well."""
        found = []
        states = self.rows("SELECT ser, state, host FROM workload ORDER BY ser")
        alive = self.rows("SELECT name, ser, gpu_count FROM pod WHERE phase <> 'gone'")
        reserved = dict(self.rows("SELECT pod_name, count(*) FROM node_gpu "
                                  "WHERE pod_name IS NOT NULL GROUP BY pod_name"))
        for ser, state, _ in states:
            if state not in SETTLED:
                found.append(f"workload {ser} is {state}")
        asked = {name: n for name, _, n in alive if n > 0}
        if reserved != asked:
            found.append(f"GPUs are reserved for {reserved}, pods alive need {asked}")
        running, there = self.containers(running=True), self.containers()
        names = {name for name, _, _ in alive}
        if running != names or there != names:
            found.append(f"pods alive {sorted(names)}, containers running {sorted(running)}, "
                         f"all containers {sorted(there)}")
        networks = {f"dure-{self.instance}-{ser}" for _, ser, _ in alive}
        if self.networks() != networks:
            found.append(f"networks {sorted(self.networks())}, wanted {sorted(networks)}")
        wanted = {host for ser, state, host in states if state in ("deployed", "degraded")}
        try:
            routed = {host.split(".")[0] for host in self.routed_hosts()}
        except OSError as error:  # it is only just being started
            return [*found, f"HAProxy: {error}"]
        if routed != wanted:
            found.append(f"HAProxy routes {sorted(routed)}, wanted {sorted(wanted)}")
        return found

    def until_sound(self, seconds=10.0):
        until(lambda: "; ".join(self.troubles()) + "\n" + self.tail(30),
              lambda: not self.troubles(), seconds, 0.1)
