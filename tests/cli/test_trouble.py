"""What the client does when the network or the server misbehaves."""
import json
import os
import pty
import signal
import subprocess
import time
import unittest

from client import BIN, Client
from standin import Raw, Server, free_port

TOKEN = "dure_SECRETSECRETSECRET"


@unittest.skipUnless(BIN, "DURE_BIN names the program to test")
class Trouble(unittest.TestCase):
    def setUp(self):
        self.client = Client(token=TOKEN)
        self.addCleanup(self.client.close)

    def run_at(self, url, *words, **kwargs):
        result = self.client.run(*words, "--url", url, **kwargs)
        self.assertNotIn(TOKEN, result.out + result.err)
        return result

    def run_with(self, script, *words, **kwargs):
        with Server(script) as server:
            result = self.run_at(server.url, *words, **kwargs)
            self.seen = server.seen
        return result

    # --- network: 4 ---

    def test_nobody_listens(self):
        result = self.run_at(f"http://127.0.0.1:{free_port()}", "workload", "list")
        self.assertEqual(result.code, 4, result)
        self.assertIn("cannot connect", result.err)
        self.assertIn("DURE_URL", result.err)

    def test_a_host_that_does_not_exist(self):
        result = self.run_at("http://no-such-host.invalid", "workload", "list")
        self.assertEqual(result.code, 4, result)

    def test_a_server_that_says_nothing(self):
        with Raw(None) as server:
            start = time.monotonic()
            result = self.run_at(server.url, "workload", "list", "--timeout", "1s")
            self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(result.code, 4, result)
        self.assertIn("did not answer in time", result.err)

    def test_a_connection_that_breaks_off(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        for data in (b"", head):
            with Raw(data) as server:
                result = self.run_at(server.url, "workload", "list")
            self.assertEqual(result.code, 4, result)

    def test_an_error_of_the_network_in_json(self):
        result = self.run_at(f"http://127.0.0.1:{free_port()}", "node", "list", "-o", "json")
        self.assertEqual(result.code, 4)
        self.assertEqual(result.out, "")
        self.assertEqual(json.loads(result.err)["title"], "No answer")

    # --- the answer: 2 ---

    def test_no_http_at_all(self):
        with Raw(b"SSH-2.0-OpenSSH_9.2\r\n") as server:
            result = self.run_at(server.url, "workload", "list")
        self.assertEqual(result.code, 2, result)
        self.assertIn("is not a Dure server", result.err)

    def test_answers_that_are_not_the_apis(self):
        for body in ("<html>hello</html>", "[]", '{"items": [', "", '"text"', '{"ok": true}',
                     '{"items": 7}', "\xff\xfe", "null"):
            with self.subTest(body=body):
                result = self.run_with(lambda h: h.reply(200, body), "workload", "list")
                self.assertEqual(result.code, 2, result)
                self.assertEqual(result.out, "")

    def test_an_answer_without_end(self):
        def script(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(64 << 20))
            handler.end_headers()
            try:
                for _ in range(64):
                    handler.wfile.write(b" " * (1 << 20))
            except OSError:
                pass

        result = self.run_with(script, "workload", "list")
        self.assertEqual(result.code, 2, result)
        self.assertIn("more than 16 MiB", result.err)

    def test_a_problem_of_the_server(self):
        result = self.run_with(
            lambda h: h.problem(503, "unavailable", "A part is away", "the disk is full"),
            "workload", "list")
        self.assertEqual(result.code, 2, result)
        self.assertIn("A part is away: the disk is full", result.err)
        self.assertIn("Request 0123456789abcdef", result.err)

    def test_the_page_of_a_proxy(self):
        result = self.run_with(
            lambda h: h.reply(502, "<html>Bad Gateway</html>", "text/html"), "workload", "list")
        self.assertEqual(result.code, 2, result)
        self.assertIn("status 502", result.err)

    def test_a_redirect_does_not_get_the_token(self):
        with Server(lambda h: h.reply(200, {"items": [], "next": None})) as other:
            result = self.run_with(
                lambda h: h.reply(302, headers=[("Location", other.url + "/x")]),
                "workload", "list")
            self.assertEqual(other.seen, [])
        self.assertEqual(result.code, 2, result)
        self.assertIn(other.url, result.err)

    # --- who: 3 ---

    def test_authentication(self):
        for status in (401, 403):
            result = self.run_with(
                lambda h: h.problem(status, "unauthenticated", "Log in first", "no token"),
                "workload", "list")
            self.assertEqual(result.code, 3, result)
            self.assertIn("Log in first: no token", result.err)

    # --- what was asked: 1 ---

    def test_every_field_is_printed(self):
        fields = [
            {"pointer": "/gpu/model", "code": "choice", "message": "there is no such model",
             "allowed": "rtx4090, t4", "given": "rtx9999"},
            {"pointer": "/port", "code": "range", "message": "port is out of range",
             "allowed": "1 to 65535", "given": 0},
            {"parameter": "limit", "code": "range", "message": "limit is odd"},
        ]
        script = lambda h: h.problem(422, "invalid-fields", "Some fields are not valid",
                                     "3 of them", fields=fields)
        result = self.run_with(script, "workload", "register", "-i", "x", "-p", "0")
        self.assertEqual(result.code, 1, result)
        lines = result.err.splitlines()
        self.assertEqual(lines[0], "dure: Some fields are not valid: 3 of them")
        self.assertEqual(
            lines[1],
            '  /gpu/model  there is no such model  (allowed: rtx4090, t4; given: "rtx9999")')
        self.assertEqual(lines[2],
                         "  /port       port is out of range  (allowed: 1 to 65535; given: 0)")
        self.assertEqual(lines[3], "  limit       limit is odd")
        result = self.run_with(script, "workload", "register", "-i", "x", "-o", "json")
        self.assertEqual(json.loads(result.err)["fields"], fields)

    def test_the_server_cannot_steer_the_terminal(self):
        evil = "\x1b]0;owned\x07\x1b[2J\u202e"
        result = self.run_with(
            lambda h: h.problem(409, "wrong-state", "No" + evil, "detail" + evil),
            "workload", "show", "7")
        self.assertEqual(result.code, 1)
        for c in ("\x1b", "\x07", "\u202e"):
            self.assertNotIn(c, result.err)

    # --- secrets ---

    def test_a_saved_token_stays_with_its_server(self):
        ok = lambda h: h.reply(200, {"id": 1, "login": "kim", "role": "user"})
        del self.client.env["DURE_TOKEN"]
        with Server(ok) as mine, Server(ok) as other:
            os.makedirs(os.path.dirname(self.client.credentials))
            with open(self.client.credentials, "w", encoding="utf-8") as file:
                json.dump({"url": mine.url, "token": TOKEN}, file)
            os.chmod(self.client.credentials, 0o600)
            self.assertEqual(self.client.run("whoami").code, 0)
            self.assertEqual(self.client.run("whoami", "--url", mine.url + "/").code, 0)
            self.assertEqual(self.client.run("whoami", "--url", other.url).code, 0)
            self.assertEqual([s[2].get("Authorization") for s in mine.seen],
                             ["Bearer " + TOKEN] * 2)
            self.assertEqual([s[2].get("Authorization") for s in other.seen], [None])
            os.chmod(self.client.credentials, 0o644)
            result = self.client.run("whoami")
            self.assertEqual(result.code, 1, result)
            self.assertIn("chmod 600", result.err)

    def test_a_token_cannot_smuggle_a_header(self):
        result = self.run_with(lambda h: h.reply(200, {}), "whoami",
                               env={"DURE_TOKEN": "dure_x\r\nX-Evil: 1"})
        self.assertEqual(result.code, 1, result)
        self.assertEqual(self.seen, [])

    def test_a_proxy_of_the_environment_does_not_see_this_machine(self):
        with Server(lambda h: h.reply(200, {})) as proxy:
            result = self.run_with(lambda h: h.reply(200, {"login": "kim", "role": "user"}),
                                   "whoami", env={"http_proxy": proxy.url})
            self.assertEqual(proxy.seen, [])
        self.assertEqual(result.code, 0, result)

    def test_ctrl_c_at_the_password(self):
        code, shown = self.client.talk([("User: ", "kim\n"), ("Password: ", "half\x03")], "login")
        self.assertEqual(code, 1, shown)
        self.assertNotIn("half", shown)

    def test_a_login_that_cannot_be_saved_leaves_no_token(self):
        def script(handler):
            if handler.path.endswith("/session") and handler.command == "POST":
                handler.reply(200, {"id": 1, "login": "kim", "role": "user"},
                              headers=[("Set-Cookie", "dure_session=sess_x; HttpOnly")])
            elif handler.path.endswith("/tokens"):
                handler.reply(201, {"id": 5, "name": "n", "token": TOKEN})
            else:
                handler.reply(204)

        with open(os.path.join(self.client.home, ".config"), "w", encoding="utf-8"):
            pass  # a file where the folder should be
        result = self.run_with(script, "login", "--user", "kim", "--password-stdin", stdin="pw\n")
        self.assertEqual(result.code, 1, result)
        calls = [(s[0], s[1]) for s in self.seen]
        self.assertIn(("DELETE", "/api/v1/session"), calls)
        self.assertIn(("DELETE", "/api/v1/tokens/5"), calls)


def workload(state, ready=0, **extra):
    return {
        "ser": 7, "owner": "kim", "state": state, "reason": "r", "message": "m", "revision": 1,
        "service_url": "http://0a1b2c3d.localhost:8000/", "spec": {}, "price_per_hour": None,
        "pods": {"asked": 2, "total": 2, "ready": ready},
        "deploy_started_at": "2026-11-23T23:21:07.000Z",
        "deployed_at": "2026-11-23T23:21:11.250Z" if state == "deployed" else None, **extra,
    }


def pod(phase, pull=None):
    return {"name": "dep7-0a1b2c3d-abcde", "phase": phase, "pull": pull}


@unittest.skipUnless(BIN, "DURE_BIN names the program to test")
class Following(unittest.TestCase):
    """A deploy whose every step is seen, which a real one is too quick for."""

    PULL = {"done": 12 << 20, "total": 28 << 20}
    STEPS = [
        (workload("deploying"), [pod("pending")], []),
        (workload("deploying"), [pod("pulling", PULL)], []),
        (workload("deploying", 1), [pod("running"), pod("starting")],
         [{"id": 3, "at": "2026-11-23T23:21:09.000Z", "level": "warning", "state": "deploying",
           "reason": "slow", "message": "the image is large", "pod": None}]),
        (workload("deployed", 2), [pod("running"), pod("running")], []),
    ]

    def setUp(self):
        self.client = Client(token=TOKEN)
        self.addCleanup(self.client.close)

    def script(self, steps, trouble=()):
        """One step a poll; the last stays. `trouble`: numbers of polls that fail with 503."""
        self.polls = 0

        def answer(handler):
            step = steps[max(0, min(self.polls - 1, len(steps) - 1))]
            path = handler.path.split("?")[0]
            if path.endswith("/pods"):
                return handler.reply(200, {"items": step[1], "next": None})
            if path.endswith("/events"):
                after = int(handler.path.split("after=")[1])
                items = [e for s in steps[: self.polls] for e in s[2] if e["id"] > after]
                return handler.reply(200, {"items": items, "next": None})
            if handler.command == "POST":
                return handler.reply(202, steps[0][0])
            self.polls += 1
            if self.polls in trouble:
                return handler.problem(503, "unavailable", "Away", "restarting")
            return handler.reply(200, steps[max(0, min(self.polls - 1, len(steps) - 1))][0])

        return answer

    def test_a_line_for_each_phase(self):
        with Server(self.script(self.STEPS)) as server:
            result = self.client.run("workload", "deploy", "7", "--url", server.url)
        self.assertEqual(result.code, 0, result)
        shown = [line.rsplit("  ", 1)[0] for line in result.err.splitlines()]
        self.assertEqual(shown, ["placing", "pulling 42 % (12/28 MB)",
                                 "warning: the image is large", "starting 1/2 ready"])
        self.assertIn("Deployed in 4.2 s, 2 of 2 ready.", result.out)
        self.assertIn("Service URL: http://0a1b2c3d.localhost:8000/", result.out)

    def test_quiet_gives_the_url_alone(self):
        with Server(self.script(self.STEPS)) as server:
            result = self.client.run("workload", "deploy", "7", "-q", "--url", server.url)
        self.assertEqual((result.code, result.out, result.err),
                         (0, "http://0a1b2c3d.localhost:8000/\n", ""))

    def test_json_gives_the_workload_alone(self):
        with Server(self.script(self.STEPS)) as server:
            result = self.client.run("workload", "deploy", "7", "-o", "json", "--url", server.url)
        self.assertEqual(result.code, 0, result)
        self.assertEqual(result.json()["state"], "deployed")
        self.assertEqual(result.err, "")

    def test_on_a_terminal_one_line_is_redrawn(self):
        master, slave = pty.openpty()
        with Server(self.script(self.STEPS)) as server:
            process = subprocess.Popen(
                [BIN, "workload", "deploy", "7", "--url", server.url],
                env={**self.client.env, "TERM": "xterm"}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=slave, start_new_session=True)
            os.close(slave)
            shown = b""
            while True:
                try:
                    piece = os.read(master, 4096)
                except OSError:
                    break
                if not piece:
                    break
                shown += piece
            self.assertEqual(process.wait(10), 0)
            process.stdout.close()
        os.close(master)
        text = shown.decode()
        self.assertIn("\r\x1b[Kplacing", text)
        self.assertIn("\r\x1b[Kpulling 42 % (12/28 MB)", text)
        self.assertTrue(text.endswith("\r\x1b[K"), repr(text[-40:]))

    def test_a_restart_of_the_server_is_waited_for(self):
        with Server(self.script(self.STEPS, trouble=(2, 3))) as server:
            result = self.client.run("workload", "deploy", "7", "--url", server.url)
        self.assertEqual(result.code, 0, result)
        self.assertIn("trying again", result.err)

    def test_a_failure_says_why(self):
        event = {"id": 4, "at": "2026-11-23T23:21:10.000Z", "level": "error", "state": "failed",
                 "reason": "exited", "message": "it exited with code 3:\nTraceback\nValueError: x",
                 "pod": "dep7-0a1b2c3d-abcde"}
        failed = workload("failed", reason="exited", message="gave up")
        steps = [self.STEPS[0], (failed, [], [event])]
        with Server(self.script(steps)) as server:
            result = self.client.run("workload", "deploy", "7", "--url", server.url)
        self.assertEqual(result.code, 1, result)
        self.assertEqual(result.out, "")
        for words in ("Workload 7 has failed: exited", "  gave up", "  it exited with code 3:",
                      "  ValueError: x", "dure workload events 7"):
            self.assertIn(words, result.err)

    def test_ctrl_c_leaves_it_running(self):
        with Server(self.script(self.STEPS[:1])) as server:
            process = self.client.start("workload", "deploy", "7", "--url", server.url,
                                        stdin=subprocess.DEVNULL)
            while self.polls < 2:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
            self.assertEqual(process.returncode, 1, err)
            self.assertIn("dure workload watch 7", err)
            self.assertNotIn("/terminate", " ".join(s[1] for s in server.seen))
            process = self.client.start("workload", "watch", "7", "--url", server.url,
                                        stdin=subprocess.DEVNULL)
            before = self.polls
            while self.polls < before + 2:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=10)
            self.assertEqual(process.returncode, 0)

    def test_waiting_ends(self):
        with Server(self.script(self.STEPS[:1])) as server:
            result = self.client.run("workload", "deploy", "7", "--wait", "1s", "--url",
                                     server.url)
        self.assertEqual(result.code, 1, result)
        self.assertIn("Waited long enough", result.err)

    def test_watch_prints_events(self):
        with Server(self.script(self.STEPS)) as server:
            result = self.client.run("workload", "watch", "7", "--url", server.url)
            lines = self.client.run("workload", "watch", "7", "-o", "json", "--url", server.url)
        self.assertEqual(result.code, 0, result)
        self.assertIn("2026-11-23 23:21:09 +0000  warning  the image is large", result.out)
        self.assertEqual([json.loads(x)["id"] for x in lines.out.splitlines()], [3])

    def test_all_pages(self):
        def script(handler):
            cursor = handler.path.split("cursor=")[1] if "cursor=" in handler.path else "0"
            page = int(cursor)
            handler.reply(200, {"items": [workload("deployed", 2, ser=100 - page)],
                                "next": str(page + 1) if page < 2 else None})

        with Server(script) as server:
            result = self.client.run("workload", "list", "--all", "-q", "--url", server.url)
            one = self.client.run("workload", "list", "--url", server.url)
        self.assertEqual(result.out.split(), ["100", "99", "98"])
        self.assertIn("--cursor 1", one.err)


if __name__ == "__main__":
    unittest.main()
