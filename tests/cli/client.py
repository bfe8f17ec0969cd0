"""Running the client in a home of its own."""
import json
import os
import pty
import shutil
import signal
import subprocess
import tempfile

BIN = os.environ.get("DURE_BIN", "")


class Result:
    def __init__(self, process, out, err):
        self.code = process.returncode
        self.out = out
        self.err = err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Client:
    """One person's client: a home, an environment, a server."""

    def __init__(self, url=None, token=None):
        self.home = tempfile.mkdtemp(prefix="dure-cli-")
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": self.home,
            "TZ": "UTC",
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
        }
        if url:
            self.env["DURE_URL"] = url
        if token:
            self.env["DURE_TOKEN"] = token

    @property
    def credentials(self):
        return os.path.join(self.home, ".config", "dure", "credentials.json")

    def start(self, *words, env=None, **kwargs):
        return subprocess.Popen(
            [BIN, *words],
            env={**self.env, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # no controlling terminal to ask questions on
            **kwargs,
        )

    def run(self, *words, stdin="", env=None, timeout=60):
        process = self.start(*words, env=env, stdin=subprocess.PIPE)
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
        return Result(process, out, err)

    def talk(self, script, *words):
        """With a controlling terminal: `script` is (what to wait for, what to type) pairs.
        Returns the exit status and all that the terminal showed."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(BIN, [BIN, *words], {**self.env, "TERM": "xterm"})
        shown = ""
        try:
            for prompt, answer in script:
                while prompt not in shown[-len(prompt) - 8:]:
                    shown += os.read(terminal, 1024).decode()
                os.write(terminal, answer.encode())
            while True:
                shown += os.read(terminal, 1024).decode()
        except OSError:  # the other side has gone
            pass
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)
