"""The benchmarks of docs/benchmarks.md: ratios against something real, measured in the same run."""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time


from service import Service, first_200, free_port

IMAGE = "dure-example/hello:1"
HERE = os.path.dirname(os.path.abspath(__file__))


def report(name, value, unit, sign, goal):
    met = value <= goal if sign == "<=" else value >= goal
    print(f"bench {name} {value:.3g} {unit} goal {sign} {goal} {'met' if met else 'short'}",
          flush=True)


def remark(text):
    print(f"# {text}", flush=True)


def wrk(url, *headers, seconds=3, connections=32):
    """Requests per second and p99 in ms."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for header in headers:
        words += ["-H", header]
    out = subprocess.run([*words, url], check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError("wrk met errors:\n" + out)
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", out).groups()
    p99 = float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), p99


class Background:
    """A server of ours for the length of a with block."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        time.sleep(0.5)
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args[0]} ended with {self.process.returncode}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)


def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True,
                          text=True).stdout.strip()


def docker_run_once(port):
    start = time.monotonic()
    container = docker("run", "-d", "-p", f"127.0.0.1:{port}:8080", IMAGE)
    taken = first_200(port, "localhost", start)
    docker("rm", "-f", container)
    return taken


def deploy_once(dure, ser, host):
    start = time.monotonic()
    dure.call("POST", f"/workloads/{ser}/deploy")
    taken = first_200(dure.service_port, host, start)
    dure.call("POST", f"/workloads/{ser}/terminate")
    dure.wait_for(ser, "terminated")
    return taken


def bench_deploy(pairs):
    dure = Service()
    workload = dure.register()
    host = workload["service_url"].split("/")[2]
    ours, theirs = [], []
    deploy_once(dure, workload["ser"], host)
    docker_run_once(free_port())
    for _ in range(pairs):
        ours.append(deploy_once(dure, workload["ser"], host))
        theirs.append(docker_run_once(free_port()))
    dure.stop()
    remark(f"deploy to first 200: {statistics.median(ours) * 1000:.0f} ms (median of {pairs}),"
           f" docker run -d: {statistics.median(theirs) * 1000:.0f} ms")
    report("deploy_to_first_200", statistics.median(ours) / statistics.median(theirs),
           "x_docker_run", "<=", 1.25)


HAPROXY = """
global
    maxconn 4000
    nbthread {threads}
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    option redispatch
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    balance {balance}
    server a {a}:8080 check
    server b {b}:8080 check
"""


def hand_written(dure, addresses, port):
    """The same balance and threads as Dure's own, found in the configuration it wrote."""
    with open(os.path.join(dure.folder, "data/gateway/haproxy.cfg"), encoding="utf-8") as file:
        own = file.read()
    threads = re.search(r"nbthread (\d+)", own)
    balance = re.search(r"balance (\S+)", own)
    path = os.path.join(dure.folder, "hand.cfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(HAPROXY.format(threads=threads.group(1) if threads else os.cpu_count(),
                                  balance=balance.group(1) if balance else "roundrobin",
                                  port=port, a=addresses[0], b=addresses[1]))
    return path


def bench_service(rounds):
    dure = Service()
    workload = dure.register(replicas=2, cpu_milli=1000)
    ser, url = workload["ser"], workload["service_url"]
    dure.call("POST", f"/workloads/{ser}/deploy")
    dure.wait_for(ser, "deployed")
    addresses = [pod["address"] for pod in dure.call("GET", f"/workloads/{ser}/pods")["items"]]
    port, ours, theirs = free_port(), [], []
    host = "Host: " + url.split("/")[2]
    with Background("haproxy", "-f", hand_written(dure, addresses, port), "-db"):
        wrk(f"http://127.0.0.1:{port}/", seconds=1)
        for _ in range(rounds):
            ours.append(wrk(f"http://127.0.0.1:{dure.service_port}/", host)[0])
            theirs.append(wrk(f"http://127.0.0.1:{port}/")[0])
    dure.call("POST", f"/workloads/{ser}/terminate")
    dure.wait_for(ser, "terminated")
    dure.stop()
    remark(f"requests a second through the service URL {statistics.median(ours):.0f},"
           f" through HAProxy by hand {statistics.median(theirs):.0f}")
    report("service_requests", statistics.median(ours) / statistics.median(theirs),
           "x_haproxy_by_hand", ">=", 0.95)


NGINX = """
user root;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    default_type application/json;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def register_many(dure, count):
    for _ in range(count):
        dure.register(env={"MODEL": "llama", "LEVEL": "info"}, command=["/hello"])


def bench_list(rounds, count):
    dure = Service()
    register_many(dure, count)
    path = "/api/v1/workloads?limit=50"
    token = f"Authorization: Bearer {dure.token}"
    dure.connection.request("GET", path, headers={"Authorization": f"Bearer {dure.token}"})
    body = dure.connection.getresponse().read()
    folder = tempfile.mkdtemp(prefix="dure-nginx-")
    os.chmod(folder, 0o755)
    port = free_port()
    with open(os.path.join(folder, "list.json"), "wb") as file:
        file.write(body)
    with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as file:
        file.write(NGINX.format(folder=folder, port=port))
    ours, theirs = [], []
    with Background("nginx", "-c", os.path.join(folder, "nginx.conf"), "-g", "daemon off;"):
        for _ in range(rounds):
            ours.append(wrk(f"http://127.0.0.1:{dure.port}{path}", token))
            theirs.append(wrk(f"http://127.0.0.1:{port}/list.json"))
    dure.stop()
    rate, p99 = (statistics.median(column) for column in zip(*ours))
    nginx_rate, nginx_p99 = (statistics.median(column) for column in zip(*theirs))
    remark(f"list of 50 of {count} ({len(body)} bytes): {rate:.0f} a second, p99 {p99:.2f} ms;"
           f" nginx {nginx_rate:.0f}, p99 {nginx_p99:.2f} ms")
    report("list_50_of_10000", rate / nginx_rate, "x_nginx", ">=", 0.5)
    report("list_50_of_10000_p99", p99 / nginx_p99, "x_nginx_p99", "<=", 3)


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024


def bench_memory(count):
    dure = Service()
    register_many(dure, count)
    for page in range(20):
        dure.call("GET", f"/workloads?limit={50 + page}")
    for ser in range(1, 51):
        dure.call("GET", f"/workloads/{ser}")
    time.sleep(2)  # what was only for the last requests goes back
    value = resident_mib(dure.process.pid)
    dure.stop()
    report("rss_1000_workloads", value, "MiB", "<=", 30)


BENCHES = {
    "deploy": lambda: bench_deploy(12),
    "service": lambda: bench_service(3),
    "list": lambda: bench_list(3, 10000),
    "memory": lambda: bench_memory(1000),
}


def main():
    subprocess.run([os.path.join(HERE, "../../scripts/hello-image.sh"), os.environ["DURE_HELLO"],
                    IMAGE], check=True, stdout=subprocess.DEVNULL)
    for name in sys.argv[1:] or BENCHES:
        BENCHES[name]()


if __name__ == "__main__":
    main()
