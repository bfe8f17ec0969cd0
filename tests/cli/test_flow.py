"""The client against the real server: from login to delete, as a person or a script does it."""
import json
import os
import pty
import stat
import subprocess
import unittest

from client import BIN, Client
from served import Served

SERVED = None


def setUpModule():
    global SERVED
    if not BIN:
        raise unittest.SkipTest("DURE_BIN names the program to test")
    SERVED = Served()


def tearDownModule():
    if SERVED:
        SERVED.stop()


class Flow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = Client(SERVED.url)
        result = cls.client.run("login", "--user", "operator", "--password-stdin",
                                stdin=SERVED.password + "\n")
        if result.code != 0:
            raise AssertionError(result)
        result = cls.client.run("node", "add", "cafe-1", "--tier", "3", "--gpu", "rtx4090:2",
                                "--cpu", "8", "--memory", "32G", "--disk", "500G", "--cuda", "12.8",
                                "--base", "300.5", "--usage", "200", "-q")
        if (result.code, result.out) != (0, "cafe-1\n"):
            raise AssertionError(result)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def ok(self, *words, **kwargs):
        result = self.client.run(*words, **kwargs)
        self.assertEqual(result.code, 0, result)
        return result

    def fails(self, code, *words, **kwargs):
        result = self.client.run(*words, **kwargs)
        self.assertEqual(result.code, code, result)
        self.assertEqual(result.out, "")
        return result

    def register(self, *more):
        return self.ok("workload", "register", "-d", "test", "-i", "nginx:1.27", "-p", "80", "-q",
                       *more).out.strip()

    # --- access ---

    def test_credentials_are_private(self):
        status = os.stat(self.client.credentials)
        self.assertEqual(stat.S_IMODE(status.st_mode), 0o600)
        with open(self.client.credentials, encoding="utf-8") as file:
            saved = json.load(file)
        self.assertEqual(saved["url"], SERVED.url)
        self.assertTrue(saved["token"].startswith("dure_"))
        self.assertNotIn(SERVED.password, json.dumps(saved))

    def test_wrong_password(self):
        stranger = Client(SERVED.url)
        self.addCleanup(stranger.close)
        result = stranger.run("login", "--user", "operator", "--password-stdin", stdin="wrong\n")
        self.assertEqual(result.code, 3, result)
        self.assertFalse(os.path.exists(stranger.credentials))
        result = stranger.run("workload", "list")
        self.assertEqual(result.code, 3, result)
        self.assertIn("dure login", result.err)
        result = stranger.run("login", "--user", "operator", stdin="x\n")
        self.assertEqual(result.code, 1, result)  # nobody to ask
        self.assertIn("--password-stdin", result.err)

    def test_a_terminal_is_asked_for_the_password_without_echo(self):
        person = Client(SERVED.url)
        self.addCleanup(person.close)
        code, shown = person.talk([("User: ", "operator\n"),
                                   ("Password: ", SERVED.password + "\n")], "login")
        self.assertEqual(code, 0, shown)
        self.assertIn("operator", shown)
        self.assertNotIn(SERVED.password, shown)
        self.assertEqual(person.run("whoami", "-q").out, "operator\n")
        code, shown = person.talk([("Old password: ", SERVED.password + "\n"),
                                   ("New password: ", "one long password\n"),
                                   ("again: ", "another long password\n")], "password")
        self.assertEqual(code, 1, shown)
        self.assertIn("differ", shown)
        self.assertEqual(person.run("logout").code, 0)

    def test_whoami_version_health(self):
        self.assertEqual(self.ok("whoami", "-q").out, "operator\n")
        self.assertEqual(self.ok("whoami", "-o", "json").json()["role"], "operator")
        version = self.ok("version", "-o", "json").json()
        self.assertEqual(version["client"], version["server"]["version"])
        health = self.client.run("health", "-o", "json")
        self.assertEqual(health.json()["engine"]["reachable"], False)
        self.assertEqual(health.code, 2, health)  # there is no Docker here

    def test_login_again_replaces_the_token_and_logout_deletes_it(self):
        other = Client(SERVED.url)
        self.addCleanup(other.close)
        tokens = lambda: {t["id"] for t in self.ok("token", "list", "-o", "json").json()["items"]}
        before = tokens()
        for _ in range(2):
            result = other.run("login", "--user", "operator", "--password-stdin",
                               stdin=SERVED.password + "\n")
            self.assertEqual(result.code, 0, result)
            self.assertEqual(len(tokens() - before), 1)
        self.assertEqual(other.run("logout").code, 0)
        self.assertFalse(os.path.exists(other.credentials))
        self.assertEqual(tokens(), before)
        self.assertEqual(other.run("logout").code, 0)

    def test_tokens(self):
        token = self.ok("token", "create", "ci", "--expires", "30d", "-q").out.strip()
        self.assertTrue(token.startswith("dure_"))
        script = Client(SERVED.url, token)
        self.addCleanup(script.close)
        self.assertEqual(script.run("whoami", "-q").out, "operator\n")
        self.assertIn("ci", self.ok("token", "list").out)
        self.fails(1, "token", "create", "ci")
        self.ok("token", "delete", "ci")
        self.assertEqual(script.run("whoami").code, 3)
        self.fails(1, "token", "delete", "ci")

    def test_password(self):
        self.fails(3, "password", "--password-stdin", stdin="wrong\nanother long one\n")
        self.fails(1, "password", "--password-stdin", stdin=SERVED.password + "\nshort\n")
        for old, new in ((SERVED.password, "a new long one"), ("a new long one", SERVED.password)):
            self.ok("password", "--password-stdin", stdin=f"{old}\n{new}\n")

    # --- catalogue ---

    def test_gpus(self):
        offers = self.ok("gpu", "list", "--tier", "3", "--model", "rtx4090", "-o", "json").json()
        self.assertEqual(len(offers["items"]), 1)
        self.assertEqual(offers["items"][0]["total"], 2)
        table = self.ok("gpu", "list", "--min-memory", "24G", "--max-price", "400").out
        line = table.splitlines()[1]
        for word in ("rtx4090", "24 GB", "300.5 P", "500.5 P", "12.8", "simulated"):
            self.assertIn(word, line)
        self.assertNotIn("rtx4090", self.ok("gpu", "list", "--min-memory", "48G").out)
        self.assertIn("h100", self.ok("gpu", "models").out)
        result = self.fails(1, "gpu", "list", "--tier", "9", "--model", "nonsense")
        self.assertIn("tier", result.err)
        self.assertIn("model", result.err)

    def test_nodes(self):
        node = self.ok("node", "add", "rack-7", "--tier", "2", "--cpu", "2.5", "--memory", "1.5G",
                       "--base", "10", "--usage", "0", "-o", "json").json()
        self.assertEqual((node["cpu_milli"], node["memory_mb"], node["base_per_hour"], node["gpu"]),
                         (2500, 1536, 10000000, None))
        self.assertEqual(self.ok("node", "edit", "rack-7", "--base", "0.000001", "--sharing", "off",
                                 "-o", "json").json()["base_per_hour"], 1)
        self.assertIn("not sharing", self.ok("node", "show", "rack-7").out)
        self.assertIn("0.000001 P", self.ok("node", "list").out)
        self.assertIn("rack-7", self.ok("node", "list", "-q").out.split())
        self.fails(1, "node", "add", "rack-7", "--tier", "2", "--cpu", "1", "--memory", "1G",
                   "--base", "1", "--usage", "1")
        result = self.fails(1, "node", "add", "Bad Name", "--tier", "7", "--gpu", "none")
        for word in ("/name", "/tier", "/cpu_milli", "/memory_mb", "/base_per_hour"):
            self.assertIn(word, result.err)
        self.fails(1, "node", "edit", "rack-7")
        self.ok("node", "remove", "rack-7")
        self.fails(1, "node", "show", "rack-7")

    # --- workloads ---

    def test_life_of_a_registration(self):
        ser = self.ok("workload", "register", "-d", "안정 확산", "-i", "ghcr.io/kim/sd:1.00", "-p",
                      "7860", "--gpu", "rtx4090", "--gpu-memory", "24G", "--target", "3",
                      "-e", "A=1", "-e", "B=x=y", "--shm", "1G", "--cpu", "0.5", "-m", "2G",
                      "--cuda", "12.8", "--max-price", "1,234.567891", "-q",
                      "--", "python3", "app.py", "--port", "7860").out.strip()
        spec = self.ok("workload", "show", ser, "-o", "json").json()["spec"]
        self.assertEqual(spec, {
            "description": "안정 확산", "registry": "github", "image": "ghcr.io/kim/sd:1.00",
            "command": ["python3", "app.py", "--port", "7860"], "port": 7860, "target": "tier3",
            "replicas": 1, "gpu": {"model": "rtx4090", "count": 1, "memory_mb": 24576},
            "env": {"A": "1", "B": "x=y"}, "shared_memory_mb": 1024, "cpu_milli": 500,
            "memory_mb": 2048, "min_cuda": "12.8", "max_price_per_hour": 1234567891})
        page = self.ok("workload", "show", ser).out
        for words in ("registered", "안정 확산", "1 × rtx4090, at least 24 GB", "B=x=y",
                      "1,234.567891 P an hour", '["python3", "app.py", "--port", "7860"]'):
            self.assertIn(words, page)
        spec = self.ok("workload", "edit", ser, "--replicas", "2", "--gpu", "any:2", "--unset-env",
                       "A", "-e", "C=3", "--cuda", "none", "--max-price", "none", "--no-command",
                       "-o", "json").json()["spec"]
        self.assertEqual(spec["replicas"], 2)
        self.assertEqual(spec["gpu"], {"model": None, "count": 2, "memory_mb": 24576})
        self.assertEqual(spec["env"], {"B": "x=y", "C": "3"})
        self.assertEqual((spec["min_cuda"], spec["max_price_per_hour"], spec["command"]),
                         (None, None, None))
        edited = self.ok("workload", "edit", ser, "--gpu", "rtx4090", "-o", "json").json()
        self.assertEqual(edited["spec"]["gpu"]["count"], 2)  # a model alone leaves the count
        self.assertIsNone(self.ok("workload", "edit", ser, "--gpu", "none", "-o",
                                  "json").json()["spec"]["gpu"])
        rows = [l for l in self.ok("workload", "list").out.splitlines() if "안정 확산" in l]
        self.assertEqual(len(rows), 1)
        self.assertIn("CPU only", rows[0])
        self.assertIn(ser, self.ok("workload", "list", "-q", "--state", "registered").out.split())
        self.assertEqual(self.ok("workload", "events", ser, "-o", "json").json()["next"], None)
        self.assertEqual(self.ok("workload", "pods", ser, "-o", "json").json()["items"], [])
        self.fails(1, "workload", "edit", ser)
        self.ok("workload", "delete", ser)
        self.fails(1, "workload", "show", ser)

    def test_a_file_and_flags_over_it(self):
        spec = {"description": "from a file", "registry": "docker_hub", "image": "nginx:1.27",
                "port": 80, "env": {"A": "1"}, "gpu": {"model": "rtx4090"}}
        path = os.path.join(self.client.home, "spec.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(spec, file)
        made = self.ok("workload", "register", "-f", path, "-e", "B=2", "--gpu-memory", "8G", "-o",
                       "json").json()
        self.assertEqual(made["spec"]["env"], {"A": "1", "B": "2"})
        self.assertEqual(made["spec"]["gpu"], {"model": "rtx4090", "count": 1, "memory_mb": 8192})
        again = self.ok("workload", "register", "-f", "-", "-q",
                        stdin=json.dumps(made["spec"])).out.strip()
        shown = self.ok("workload", "show", again, "-o", "json").json()["spec"]
        self.assertEqual(shown, made["spec"])

    def test_a_file_with_bad_fields_prints_every_one(self):
        bad = {"description": "x", "registry": "nowhere", "image": "UPPER CASE", "port": 0,
               "replicas": "two", "gpu": {"model": "rtx9999", "count": 99},
               "env": {"DURE_X": "1"}, "surprise": True}
        result = self.fails(1, "workload", "register", "-f", "-", stdin=json.dumps(bad))
        for pointer in ("/description", "/registry", "/image", "/port", "/replicas", "/gpu/model",
                        "/gpu/count", "/env/DURE_X", "/surprise"):
            self.assertIn(f"\n  {pointer} ", result.err)
        problem = json.loads(self.fails(1, "workload", "register", "-f", "-", "-o", "json",
                                        stdin=json.dumps(bad)).err)
        self.assertEqual(problem["status"], 422)
        result = self.fails(1, "workload", "register")
        for pointer in ("/description", "/image", "/port"):
            self.assertIn(pointer, result.err)

    def test_files_that_are_no_specs(self):
        for text, words in (("{", "line 1"), ("[]", "JSON object"), ("", "line"),
                            ('{"a":1,"a":2}', "duplicate"), (" " * (1 << 21), "larger")):
            result = self.fails(1, "workload", "register", "-f", "-", stdin=text)
            self.assertIn(words, result.err)
        self.fails(1, "workload", "register", "-f", "/no/such/file")

    def test_nothing_fits(self):
        ser = self.register("--gpu", "h100-sxm-80g", "--target", "3")
        result = self.fails(1, "workload", "deploy", ser)
        self.assertIn("What would fit:", result.err)
        self.assertIn("1 × rtx4090", result.err)
        self.assertIn("500.5 P", result.err)
        before = self.ok("workload", "list", "--all", "-q").out
        self.fails(1, "workload", "register", "-d", "none", "-i", "nginx", "-p", "80", "--gpu",
                   "h100-sxm-80g", "--deploy")
        self.assertEqual(self.ok("workload", "list", "--all", "-q").out, before)

    def test_states_and_numbers(self):
        ser = self.register()
        self.fails(1, "workload", "terminate", ser)
        self.fails(1, "workload", "show", "999999")
        self.fails(1, "workload", "show", "seven")
        self.fails(1, "workload", "deploy", "-1")

    def test_deploy_and_terminate_without_docker(self):
        """The order is taken and followed; that it cannot come true is told, not waited out."""
        ser = self.register("--gpu", "rtx4090")
        self.assertEqual(self.ok("workload", "deploy", ser, "--no-wait", "-o",
                                 "json").json()["state"], "deploying")
        result = self.client.run("workload", "watch", ser, "--wait", "1s")
        self.assertEqual(result.code, 1, result)
        self.fails(1, "workload", "edit", ser, "--replicas", "2")
        self.fails(1, "workload", "delete", ser)
        self.assertEqual(len(self.ok("workload", "pods", ser, "-o", "json").json()["items"]), 1)
        self.assertIn("cafe-1", self.ok("workload", "pods", ser).out)
        self.assertNotEqual(self.ok("workload", "events", ser).out, "")
        self.assertEqual(self.ok("workload", "terminate", ser, "--no-wait", "-o",
                                 "json").json()["state"], "terminating")

    def test_pages(self):
        for _ in range(3):
            self.register()
        first = self.ok("workload", "list", "--limit", "2", "-o", "json").json()
        second = self.ok("workload", "list", "--limit", "2", "--cursor", first["next"], "-o",
                         "json").json()
        sers = [w["ser"] for w in first["items"] + second["items"]]
        self.assertEqual(sers, sorted(sers, reverse=True))
        self.assertEqual(len(set(sers)), len(sers))
        everything = self.ok("workload", "list", "--limit", "2", "--all", "-q").out.split()
        self.assertEqual([str(s) for s in sers], everything[:len(sers)])

    def on_a_terminal(self, answer, *words):
        master, slave = pty.openpty()
        process = subprocess.Popen([BIN, *words], env=self.client.env, stdin=slave,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True)
        os.close(slave)
        os.write(master, answer.encode())
        out, err = process.communicate(timeout=30)
        os.close(master)
        return process.returncode, out, err

    def test_a_terminal_is_asked(self):
        ser = self.register()
        code, _, err = self.on_a_terminal("n\n", "workload", "delete", ser)
        self.assertEqual(code, 1)
        self.assertIn(f"Delete workload {ser}", err)
        code, _, err = self.on_a_terminal("n\n", "workload", "terminate", ser)
        self.assertEqual(code, 1)
        self.assertIn("not kept", err)
        self.ok("workload", "show", ser)
        code, _, err = self.on_a_terminal("y\n", "workload", "delete", ser)
        self.assertEqual(code, 0, err)
        self.fails(1, "workload", "show", ser)

    # --- usage ---

    def test_usage(self):
        for words in ((), ("workload",), ("workload", "shw"), ("xyzzy",), ("workload", "show"),
                      ("workload", "show", "1", "2"), ("workload", "list", "--nonsense"),
                      ("workload", "list", "-o", "yaml"), ("workload", "list", "--timeout", "x"),
                      ("workload", "deploy", "1", "--wait", "x"),
                      ("workload", "register", "-c", "a", "--", "b"),
                      ("workload", "register", "--")):
            with self.subTest(words=words):
                self.assertNotEqual(self.fails(1, *words).err, "")

    def test_every_verb_has_help_with_an_example(self):
        listing = self.ok("help").out
        verbs = [line[2:22].split() for line in listing.splitlines() if line.startswith("  ")
                 and not line.startswith("   ") and not line.lstrip().startswith("-")]
        verbs = [v for v in verbs if v and v[0] not in ("serve", "admin")]
        self.assertGreater(len(verbs), 20)
        # glibc's argp leaks an empty allocation of its own where a list has no short options
        env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        for verb in verbs:
            with self.subTest(verb=verb):
                result = self.ok(*verb, "--help", env=env)
                self.assertIn("Example:", result.out)
                self.assertIn("--output", result.out)
                self.assertEqual(self.ok("help", *verb, env=env).out, result.out)


if __name__ == "__main__":
    unittest.main()
