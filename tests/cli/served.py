"""`dure serve` in a folder of its own, without Docker: everything but running pods."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from client import BIN
from standin import free_port


class Served:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dure-served-")
        port_file = os.path.join(self.folder, "port")
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [BIN, "serve", "--listen", "127.0.0.1:0", "--port-file", port_file,
             "--data-dir", os.path.join(self.folder, "data"),
             "--service-port", str(free_port()),
             "--docker-socket", os.path.join(self.folder, "no-docker.sock")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.folder})
        deadline = time.monotonic() + 30
        while not os.path.exists(port_file):
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.text()
                self.stop()
                raise RuntimeError("dure serve did not start:\n" + text)
            time.sleep(0.02)
        with open(port_file, encoding="utf-8") as file:
            self.url = f"http://127.0.0.1:{int(file.read())}"
        self.password = self.find_password(deadline)

    def find_password(self, deadline):
        while time.monotonic() < deadline:
            found = re.search(r"^.*[Pp]assword:?\s+(\S+)", self.text(), re.M)
            if found:
                return found.group(1)
            time.sleep(0.02)
        raise RuntimeError("no password was printed:\n" + self.text())

    def text(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode
