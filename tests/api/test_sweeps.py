"""What holds for every operation of the document: generated from it, so that a new operation is
swept at once."""
import http.client
import json
import socket
import unittest

from dure import Dure, NODE, PASSWORD, WORKLOAD, document, operations


class Sweeps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dure = Dure()
        cls.operations = list(operations(document()))
        cls.dure.request("POST", "/api/v1/nodes", NODE, "boss")
        made = cls.dure.request("POST", "/api/v1/workloads", WORKLOAD, "boss")
        cls.values = {"{ser}": str(made.json()["ser"]), "{name}": NODE["name"], "{id}": "1"}

    @classmethod
    def tearDownClass(cls):
        assert cls.dure.stop() == 0, "dure serve did not end well"

    def path(self, template):
        for name, value in self.values.items():
            template = template.replace(name, value)
        return template

    def swept(self, wanted=lambda operation: True):
        for method, template, operation in self.operations:
            if wanted(operation):
                yield method, self.path(template), operation

    def test_nobody_gets_in(self):
        for method, path, operation in self.swept(lambda o: o.get("security") != []):
            body = {} if "requestBody" in operation else None
            for how in ({}, {"Authorization": "Bearer dure_x"}, {"Authorization": "Basic eA=="},
                        {"Authorization": "Bearer " + "d" * 9000}, {"Authorization": ""},
                        {"Cookie": "dure_session=sess_" + "A" * 43}):
                answer = self.dure.request(method, path, body, headers=how)
                self.assertEqual(answer.status, 401, answer)
                self.assertTrue(answer.header("WWW-Authenticate").startswith("Bearer"))

    def test_role(self):
        for method, path, operation in self.swept(lambda o: "x-role" in o):
            body = {} if "requestBody" in operation else None
            self.assertEqual(self.dure.request(method, path, body, "alice").status, 403)

    def test_revalidation_and_head(self):
        for method, path, operation in self.swept(lambda o: "304" in o["responses"]):
            if operation["operationId"] == "health_get":  # may change between two requests
                continue
            first = self.dure.request(method, path, login="boss")
            tag = {"If-None-Match": f'"x", {first.header("ETag")}'}
            again = self.dure.request(method, path, login="boss", headers=tag)
            self.assertEqual((first.status, again.status, again.body), (200, 304, b""))
            head = self.dure.request("HEAD", path, login="boss")
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.header("Content-Length"), str(len(first.body)))

    def test_health_revalidates(self):
        for _ in range(20):
            tag = self.dure.request("GET", "/api/v1/health").header("ETag")
            again = self.dure.request("GET", "/api/v1/health", headers={"If-None-Match": tag})
            if again.status == 304:
                return
        self.fail("never 304")

    def test_wrong_bodies(self):
        deep = b'{"a":' * 40 + b"1" + b"}" * 40
        for method, path, _ in self.swept(lambda o: "requestBody" in o):
            for body, status in (
                    (b"", 400), (b"{", 400), (b"\xff\xfe", 400), (b'{"a":"\xc3\x28"}', 400),
                    (b'{"a":1,"a":2}', 400), (deep, 400), (b"[" * 5000, 400), (b"{} x", 400),
                    (b'{"a":"\\u0000"}', 400), (b'{"a":1e999}', 400),
                    (b'{"a":99999999999999999999}', 400), (b"[]", 422), (b'"x"', 422),
                    (b"null", 422), (b'{"no_such_member":1}', 422)):
                answer = self.dure.request(method, path, body, "boss")
                self.assertEqual(answer.status, status, (body[:40], answer))
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
                answer = self.dure.request(method, path, b"{}", "boss",
                                           headers={"Content-Type": kind})
                self.assertEqual(answer.status, 415, answer)

    def test_large_bodies(self):
        large = b'{"description":"' + b"x" * (10 * 1024 * 1024) + b'"}'
        for method, path, _ in self.swept():
            answer = self.dure.request(method, path, large, "boss")
            self.assertEqual(answer.status, 413, answer)

    def test_large_body_is_not_waited_for(self):
        """A client that asks for leave is told before it sends, and one that lies is cut off."""
        with socket.create_connection(("127.0.0.1", self.dure.port), timeout=10) as s:
            s.sendall(b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n"
                      b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 413"))

    def test_missing_objects(self):
        for method, template, operation in self.operations:
            if "{" not in template:
                continue
            body = {} if "requestBody" in operation else None
            for value in ("999999999", "0", "-1", "x", "99999999999999999999", "%00", "%zz",
                          "%ff", "a%2Fb"):
                path = template
                for name in self.values:
                    path = path.replace(name, value)
                with self.subTest(operation=operation["operationId"], value=value):
                    self.assertEqual(self.dure.request(method, path, body, "boss").status, 404)

    def test_methods(self):
        paths = {}
        for method, template, _ in self.operations:
            paths.setdefault(self.path(template), set()).add(method)
        for path, methods in paths.items():
            with self.subTest(path=path):
                options = self.dure.request("OPTIONS", path)
                allowed = set(options.header("Allow").split(", ")) - {"OPTIONS", "HEAD"}
                self.assertEqual((options.status, allowed), (204, methods))
                for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW"} - methods:
                    answer = self.dure.request(method, path, login="boss")
                    self.assertEqual(answer.status, 405)
                    self.assertEqual(answer.header("Content-Type"), "application/problem+json")

    def test_unknown_paths(self):
        for path in ("/x", "/api", "/api/v1", "/api/v1/", "/api/v2/health", "/api/v1/health/",
                     "//api/v1/health", "/api/v1/workloads/1/x", "/api/v1/%77orkloads", "/%"):
            answer = self.dure.request("GET", path, login="boss")
            self.assertEqual(answer.status, 404, path)
            self.assertEqual(answer.json()["instance"], answer.header("X-Request-Id"))

    def test_unknown_query_parameters(self):
        for method, path, operation in self.swept(lambda o: "422" in o["responses"]):
            if method == "GET":
                answer = self.dure.request(method, path + "?no_such=1&%ff=2&a=%zz", login="boss")
                self.assertEqual(answer.status, 422)
                self.assertIn("no_such", answer.fields())

    def test_request_id(self):
        for given, kept in (("run-7_a.b", True), ("x" * 64, True), ("x" * 65, False),
                            ("no spaces", False)):
            answer = self.dure.request("GET", "/api/v1/version", headers={"X-Request-Id": given})
            self.assertEqual(answer.header("X-Request-Id") == given, kept, given)

    def test_connection_is_kept(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.dure.port, timeout=10)
        connection.request("POST", "/api/v1/session", json.dumps({}),
                           {"Content-Type": "application/json"})
        self.assertEqual(connection.getresponse().read()[:1], b"{")
        held = connection.sock
        connection.request("GET", "/api/v1/version")
        self.assertEqual(connection.getresponse().status, 200)
        self.assertIs(connection.sock, held)
        connection.close()


# member: [(bad value, the pointers it must bring up)]
LONG = "x" * 100_000
NUMBERS = ("7", 1.5, True, [], {}, -1, 2 ** 62)
BAD_WORKLOAD = {
    "description": (None, 7, "", "x", "x" * 81, LONG, [], {}),
    "registry": (None, 7, "", "docker", "DOCKER_HUB", []),
    "image": (None, 7, "", "UPPER/Case", "nginx:", "nginx:" + "t" * 129, "a b", "nginx@sha256:12",
              LONG, [], "http://x/y"),
    "command": (7, "", {}, [], [7], ["a"] * 129, "x" * 8193, [""] * 200),
    "port": (None, 0, 65536, *NUMBERS),
    "target": (3, "tier4", "", []),
    "replicas": (0, 33, *NUMBERS),
    "gpu": (7, "rtx4090", [], {"count": -1}, {"count": 17}, {"count": "1"}, {"model": "riva128"},
            {"model": 4090}, {"memory_mb": -1}, {"memory_mb": 2 ** 40}, {"colour": "red"}),
    "env": (7, "A=b", [], {"1A": "x"}, {"A B": "x"}, {"": "x"}, {"DURE_POD": "x"}, {"A": 7},
            {"A": None}, {"A": LONG}, {f"A{i}": "" for i in range(257)}),
    "shared_memory_mb": NUMBERS,
    "cpu_milli": (0, 512001, *NUMBERS),
    "memory_mb": (0, 4194305, *NUMBERS),
    "min_cuda": (12.8, "", "twelve", "12.8.1.2", []),
    "max_price_per_hour": ("7", 1.5, True, [], -1, 0),
    "deploy_now": (0, "true", []),
}
BAD_NODE = {
    "name": (None, 7, "", "-a", "A", "a b", "a" * 64, LONG, "a/b"),
    "tier": (None, 0, 4, *NUMBERS),
    "gpu": (7, "t4", [], {}, {"model": "t4"}, {"count": 1}, {"model": "riva128", "count": 1},
            {"model": "t4", "count": 0}, {"model": "t4", "count": 65},
            {"model": "t4", "count": 1, "uuids": 7}, {"model": "t4", "count": 1, "uuids": [7]},
            {"model": "t4", "count": 1, "memory_mb": 0}, {"model": "t4", "count": 1, "x": 1}),
    "cpu_milli": (None, 0, *NUMBERS),
    "memory_mb": (None, 0, *NUMBERS),
    "disk_mb": ("7", 1.5, True, [], {}, -1),
    "cuda": (12.8, "", "twelve", []),
    "base_per_hour": (None, *NUMBERS),
    "usage_per_hour": (None, *NUMBERS),
    "sharing": (0, "true", []),
}
BAD_TOKEN = {"name": (None, 7, "", "x" * 65, LONG, []),
             "expires_at": (7, "", "soon", "2099-13-01T00:00:00Z", "2001-01-01T00:00:00Z", [])}
BAD_LOGIN = {"login": (None, 7, "", "x" * 129, LONG, []),
             "password": (None, 7, "", LONG, [])}
BAD_PASSWORD = {"old_password": (None, 7, "", LONG, []),
                "new_password": (None, 7, "", "short", LONG, [])}


class BadFields(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dure = Dure()

    @classmethod
    def tearDownClass(cls):
        assert cls.dure.stop() == 0, "dure serve did not end well"

    def refused(self, method, path, good, bad, login="boss"):
        """Each bad value alone brings up its member and no other; all together bring up all."""
        for member, values in bad.items():
            for value in values:
                with self.subTest(member=member, value=str(value)[:40]):
                    answer = self.dure.request(method, path, good | {member: value}, login)
                    self.assertEqual(answer.status, 422, answer)
                    for pointer in answer.fields():
                        self.assertEqual(pointer.split("/")[1], member, answer)
        for turn in range(max(len(values) for values in bad.values())):
            body = {m: values[turn % len(values)] for m, values in bad.items()}
            answer = self.dure.request(method, path, body | {"no_such": 1}, login)
            self.assertEqual(answer.status, 422, answer)
            found = {pointer.split("/")[1] for pointer in answer.fields()}
            self.assertEqual(found, set(bad) | {"no_such"}, (body, answer))
        missing = [m for m, values in bad.items() if None in values]
        answer = self.dure.request(method, path, {}, login)
        self.assertEqual(answer.fields(), {"/" + m: "required" for m in missing}, answer)

    def test_workload(self):
        before = self.dure.request("GET", "/api/v1/workloads", login="boss").json()
        self.refused("POST", "/api/v1/workloads", WORKLOAD, BAD_WORKLOAD)
        elsewhere = WORKLOAD | {"image": "ghcr.io/a/b"}
        answer = self.dure.request("POST", "/api/v1/workloads", elsewhere, "boss")
        self.assertEqual((answer.status, list(answer.fields())), (422, ["/image"]), answer)
        after = self.dure.request("GET", "/api/v1/workloads", login="boss").json()
        self.assertEqual(before, after)

    def test_node(self):
        before = self.dure.request("GET", "/api/v1/nodes", login="boss").json()
        self.refused("POST", "/api/v1/nodes", NODE, BAD_NODE)
        after = self.dure.request("GET", "/api/v1/nodes", login="boss").json()
        self.assertEqual(before, after)

    def test_node_edit(self):
        self.dure.request("POST", "/api/v1/nodes", NODE | {"name": "edited"}, "boss")
        before = self.dure.request("GET", "/api/v1/nodes/edited", login="boss").json()
        for member in ("tier", "cpu_milli", "base_per_hour", "sharing"):
            for value in BAD_NODE[member]:
                if value is not None:
                    answer = self.dure.request("PATCH", "/api/v1/nodes/edited", {member: value},
                                               "boss")
                    self.assertEqual((answer.status, list(answer.fields())),
                                     (422, ["/" + member]), answer)
        after = self.dure.request("GET", "/api/v1/nodes/edited", login="boss").json()
        self.assertEqual(before, after)

    def test_token(self):
        before = self.dure.request("GET", "/api/v1/tokens", login="boss").json()
        self.refused("POST", "/api/v1/tokens", {"name": "x"}, BAD_TOKEN)
        after = self.dure.request("GET", "/api/v1/tokens", login="boss").json()
        self.assertEqual(before, after)

    def test_session(self):
        self.refused("POST", "/api/v1/session", {"login": "boss", "password": PASSWORD},
                     BAD_LOGIN, None)

    def test_password(self):
        self.refused("PUT", "/api/v1/account/password",
                     {"old_password": PASSWORD, "new_password": PASSWORD}, BAD_PASSWORD)


if __name__ == "__main__":
    unittest.main()
