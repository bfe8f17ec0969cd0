"""Every operation of the document, what it does and how it refuses."""
import unittest

from dure import Dure, NODE, PASSWORD, WORKLOAD

GPU = {"gpu": {"model": "rtx4090", "count": 1}, "cpu_milli": 100, "memory_mb": 64}


class Operations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dure = Dure()

    @classmethod
    def tearDownClass(cls):
        assert cls.dure.stop() == 0, "dure serve did not end well"

    def ask(self, status, method, path, body=None, login="alice", **more):
        answer = self.dure.request(method, "/api/v1" + path, body, login, **more)
        self.assertEqual(answer.status, status, (method, path, answer))
        return answer

    def register(self, login="alice", **members):
        return self.ask(201, "POST", "/workloads", WORKLOAD | members, login).json()["ser"]

    def node(self, name, **members):
        return self.ask(201, "POST", "/nodes", NODE | {"name": name} | members, "boss").json()

    def test_about(self):
        health = self.ask(200, "GET", "/health", login=None).json()
        self.assertEqual((health["status"], health["engine"]["reachable"]), ("degraded", False))
        self.assertIn("Docker", health["engine"]["why"])
        self.assertEqual(self.ask(200, "GET", "/version", login=None).json()["name"], "dure")
        answer = self.dure.request("GET", "/api/openapi.json")
        self.assertEqual(answer.json()["openapi"], "3.1.0")

    def test_session(self):
        answer = self.ask(200, "POST", "/session", {"login": "alice", "password": PASSWORD}, None)
        cookie = answer.header("Set-Cookie")
        self.assertRegex(
            cookie, r"^dure_session=sess_\S+; Path=/; HttpOnly; SameSite=Strict; Max-Age=")
        cookie = {"Cookie": "x=1; " + cookie.split(";")[0]}
        me = self.ask(200, "GET", "/session", login=None, headers=cookie).json()
        self.assertEqual((me["login"], me["role"]), ("alice", "user"))
        self.ask(403, "DELETE", "/session", login=None, headers=cookie)
        self.ask(200, "GET", "/session", login=None, headers=cookie)
        self.ask(204, "DELETE", "/session", login=None, headers=cookie | {"X-Dure-Request": "1"})
        self.ask(401, "GET", "/session", login=None, headers=cookie)
        self.ask(409, "DELETE", "/session")
        self.ask(401, "POST", "/session", {"login": "alice", "password": "wrong"}, None)
        self.ask(401, "POST", "/session", {"login": "nobody", "password": PASSWORD}, None)

    def test_change_by_cookie_alone_is_refused(self):
        ser = self.register("bob")
        cookie = {"Cookie": self.dure.log_in("bob")}
        for method, path in (("DELETE", f"/workloads/{ser}"), ("DELETE", "/tokens/1"),
                             ("POST", f"/workloads/{ser}/deploy"),
                             ("POST", f"/workloads/{ser}/terminate")):
            self.ask(403, method, path, login=None, headers=cookie)
        self.ask(200, "GET", f"/workloads/{ser}", login=None, headers=cookie)
        self.ask(415, "PUT", "/account/password", b"{}", None,
                 headers=cookie | {"Content-Type": "text/plain"})

    def test_password(self):
        self.dure.log_in("bob")
        other = "another long password"
        change = {"old_password": PASSWORD, "new_password": other}
        self.ask(401, "PUT", "/account/password", change | {"old_password": "wrong"}, "bob")
        self.ask(422, "PUT", "/account/password", change | {"new_password": "short"}, "bob")
        self.ask(204, "PUT", "/account/password", change, "bob")
        self.ask(401, "POST", "/session", {"login": "bob", "password": PASSWORD}, None)
        back = {"old_password": other, "new_password": PASSWORD}
        self.ask(204, "PUT", "/account/password", back, "bob")

    def test_tokens(self):
        made = self.ask(201, "POST", "/tokens",
                        {"name": "노트북", "expires_at": "2099-01-01T09:00:00+09:00"}).json()
        self.assertEqual(made["expires_at"], "2099-01-01T00:00:00.000Z")
        self.ask(409, "POST", "/tokens", {"name": "노트북"})
        self.ask(422, "POST", "/tokens", {"name": "late", "expires_at": "2001-01-01T00:00:00Z"})
        listed = self.ask(200, "GET", "/tokens").json()["items"]
        self.assertIn("노트북", [t["name"] for t in listed])
        self.assertTrue(all("token" not in t for t in listed))
        self.ask(200, "GET", "/session", login=None, token=made["token"])
        self.ask(404, "DELETE", f"/tokens/{made['id']}", login="bob")
        self.ask(204, "DELETE", f"/tokens/{made['id']}")
        self.ask(401, "GET", "/session", login=None, token=made["token"])
        self.ask(404, "DELETE", f"/tokens/{made['id']}")
        self.ask(404, "DELETE", "/tokens/x")

    def test_nodes(self):
        made = self.node("cafe-2", cuda="12.8")
        self.assertTrue(made["simulated"])
        self.assertEqual((made["gpu"]["free"], made["gpu"]["memory_mb"]), (2, 24576))
        self.assertEqual(self.ask(200, "GET", "/nodes/cafe-2").json(), made)
        self.assertIn("cafe-2", [n["name"] for n in self.ask(200, "GET", "/nodes").json()["items"]])
        real = self.node("real-1", gpu={"model": "t4", "uuids": ["GPU-0a", "GPU-0b"]})
        self.assertEqual((real["simulated"], real["gpu"]["count"]), (False, 2))
        self.ask(409, "POST", "/nodes", NODE | {"name": "cafe-2"}, "boss")
        self.ask(403, "POST", "/nodes", NODE | {"name": "cafe-3"})
        self.ask(403, "PATCH", "/nodes/cafe-2", {"sharing": False})
        self.ask(403, "DELETE", "/nodes/cafe-2")
        edited = self.ask(200, "PATCH", "/nodes/cafe-2", {"sharing": False}, "boss",
                          headers={"Content-Type": "application/merge-patch+json"}).json()
        self.assertFalse(edited["sharing"])
        for method in ("GET", "PATCH", "DELETE"):
            self.ask(404, method, "/nodes/none", {} if method == "PATCH" else None, "boss")
        machine = next(n["name"] for n in self.ask(200, "GET", "/nodes").json()["items"]
                       if n["kind"] == "machine")
        self.ask(409, "DELETE", f"/nodes/{machine}", login="boss")
        bad = self.ask(422, "PATCH", f"/nodes/{machine}", {"cpu_milli": 100}, "boss")
        self.assertEqual(bad.fields(), {"/cpu_milli": "conflict"})
        self.ask(204, "DELETE", "/nodes/cafe-2", login="boss")
        self.ask(404, "GET", "/nodes/cafe-2")

    def test_gpus(self):
        self.node("cafe-4", tier=1, gpu={"model": "h100-sxm-80g", "count": 4})
        models = self.ask(200, "GET", "/gpu-models").json()["items"]
        self.assertTrue({"t4", "rtx4090"} <= {m["code"] for m in models})
        offers = self.ask(200, "GET", "/gpus?tier=1&available=true&min_memory_mb=70000").json()
        offer = next(o for o in offers["items"] if o["model"] == "h100-sxm-80g")
        self.assertEqual((offer["total"], offer["largest_free"]), (4, 4))
        self.assertEqual(offer["price_per_hour"], {"min": 300_000_000, "max": 500_000_000})
        none = self.ask(200, "GET", "/gpus?model=h100-sxm-80g&max_price=1").json()
        self.assertEqual(none["items"], [])
        bad = self.ask(422, "GET", "/gpus?tier=4&model=riva128&min_memory_mb=-1&min_price=x"
                       "&max_price=9999999999999&available=yes&hue=1")
        self.assertEqual(bad.fields(), {
            "tier": "range", "model": "choice", "min_memory_mb": "range", "min_price": "type",
            "max_price": "range", "available": "type", "hue": "unknown"})

    def test_workload(self):
        ser = self.register()
        shown = self.ask(200, "GET", f"/workloads/{ser}").json()
        self.assertEqual((shown["state"], shown["state_label"]), ("registered", "미배포"))
        self.assertEqual(shown["spec"]["description"], "웹 page")
        edited = self.ask(200, "PATCH", f"/workloads/{ser}", {"replicas": 3, "env": {"A": "b"}})
        self.assertEqual(edited.json()["spec"]["replicas"], 3)
        self.assertGreater(edited.json()["revision"], shown["revision"])
        bad = self.ask(422, "PATCH", f"/workloads/{ser}", {"replicas": 0, "port": "x", "x": 1})
        self.assertEqual(bad.fields(), {"/replicas": "range", "/port": "type", "/x": "unknown"})
        self.assertEqual(self.ask(200, "GET", f"/workloads/{ser}").json(), edited.json())
        self.ask(204, "DELETE", f"/workloads/{ser}")
        self.ask(404, "GET", f"/workloads/{ser}")

    def test_deploy_and_terminate(self):
        self.node("slot-1", gpu={"model": "rtx4090", "count": 1})
        ser = self.register(**GPU)
        deploying = self.ask(202, "POST", f"/workloads/{ser}/deploy").json()
        self.assertEqual((deploying["state"], deploying["pods"]["total"]), ("deploying", 1))
        self.assertIsNotNone(deploying["price_per_hour"])
        pods = self.ask(200, "GET", f"/workloads/{ser}/pods").json()["items"]
        self.assertEqual(len(pods), 1)
        self.assertRegex(pods[0]["name"], rf"^dep{ser}-")
        self.ask(409, "POST", f"/workloads/{ser}/deploy")
        self.ask(409, "PATCH", f"/workloads/{ser}", {"replicas": 2})
        self.ask(409, "DELETE", f"/workloads/{ser}")
        self.ask(409, "PATCH", f"/nodes/{pods[0]['node']}", {"gpu": {"count": 1, "model": "t4"}},
                 "boss")
        self.ask(409, "DELETE", f"/nodes/{pods[0]['node']}", login="boss")
        down = self.ask(202, "POST", f"/workloads/{ser}/terminate").json()
        self.assertIn(down["state"], ("terminating", "terminated"))
        events = self.ask(200, "GET", f"/workloads/{ser}/events?limit=1").json()
        self.assertEqual(len(events["items"]), 1)
        rest = self.ask(200, "GET", f"/workloads/{ser}/events?after={events['next']}").json()
        self.assertTrue(all(e["id"] > events["items"][0]["id"] for e in rest["items"]))
        self.assertIn("deploying", [e["state"] for e in events["items"] + rest["items"]])
        self.ask(200, "GET", f"/workloads/{ser}/pods?all=true")
        bad = self.ask(422, "GET", f"/workloads/{ser}/pods?all=1&x=")
        self.assertEqual(bad.fields(), {"all": "type", "x": "unknown"})
        bad = self.ask(422, "GET", f"/workloads/{ser}/events?after=-1&limit=201")
        self.assertEqual(bad.fields(), {"after": "range", "limit": "range"})
        self.ask(409, "POST", f"/workloads/{self.register()}/terminate")

    def test_refused_deploy_names_alternatives_and_stores_nothing(self):
        self.node("slot-2", tier=1, gpu={"model": "a100-pcie-40g", "count": 1})
        before = self.ask(200, "GET", "/workloads?limit=200").json()["items"]
        order = {"gpu": {"model": "a100-pcie-40g", "count": 1}, "target": "tier2",
                 "deploy_now": True}
        refused = self.ask(409, "POST", "/workloads", WORKLOAD | order).json()
        self.assertTrue(refused["type"].endswith("/no-capacity"))
        self.assertIn("tier1", [a["target"] for a in refused["alternatives"]])
        self.assertEqual(self.ask(200, "GET", "/workloads?limit=200").json()["items"], before)
        ser = self.register(gpu=order["gpu"], target="tier2")
        self.ask(409, "POST", f"/workloads/{ser}/deploy")
        self.assertEqual(self.ask(200, "GET", f"/workloads/{ser}").json()["state"], "registered")

    def test_deploy_now(self):
        self.node("slot-3", tier=2, gpu={"model": "l40s", "count": 1})
        made = self.ask(201, "POST", "/workloads", WORKLOAD | {
            "gpu": {"model": "l40s"}, "deploy_now": True, "cpu_milli": 100})
        self.assertEqual(made.json()["state"], "deploying")
        self.assertEqual(made.header("Location"), f"/api/v1/workloads/{made.json()['ser']}")

    def test_pages(self):
        sers = [self.register("bob", description=f"page {i}") for i in range(5)]
        seen, cursor = [], ""
        while True:
            page = self.ask(200, "GET", "/workloads?limit=2&state=registered" + cursor,
                            login="bob").json()
            self.assertLessEqual(len(page["items"]), 2)
            seen += [w["ser"] for w in page["items"]]
            if page["next"] is None:
                break
            cursor = "&cursor=" + page["next"]
        self.assertEqual(seen, sorted(set(seen), reverse=True))
        self.assertTrue(set(sers) <= set(seen))
        bad = self.ask(422, "GET", "/workloads?limit=0&cursor=7&state=asleep")
        self.assertEqual(bad.fields(), {"limit": "range", "cursor": "format", "state": "choice"})

    def test_foreign_objects_do_not_exist(self):
        ser = self.register("alice")
        for method, path, body in (
                ("GET", "", None), ("PATCH", "", {"replicas": 2}), ("DELETE", "", None),
                ("POST", "/deploy", None), ("POST", "/terminate", None), ("GET", "/pods", None),
                ("GET", "/events", None)):
            foreign = self.ask(404, method, f"/workloads/{ser}{path}", body, "bob").json()
            missing = self.ask(404, method, f"/workloads/99999999{path}", body, "bob").json()
            self.assertEqual(foreign["detail"].replace(str(ser), "#"),
                             missing["detail"].replace("99999999", "#"))
            self.ask(404, method, f"/workloads/x{path}", body, "bob")
        self.assertNotIn(ser, [w["ser"] for w in
                               self.ask(200, "GET", "/workloads", login="bob").json()["items"]])
        self.ask(200, "GET", f"/workloads/{ser}", login="boss")

    def test_service_page(self):
        url = self.ask(200, "GET", f"/workloads/{self.register()}").json()["service_url"]
        host = url.split("/")[2]
        answer = self.dure.request("POST", "/_service", b"x", headers={"Host": host})
        self.assertEqual((answer.status, answer.header("X-Dure-Error")), (503, "registered"))
        self.assertIsNotNone(answer.header("Retry-After"))
        self.assertIn("아직 배포되지 않은", answer.body.decode())
        answer = self.dure.request("GET", "/_service", headers={"Host": "00000000.localhost"})
        self.assertEqual((answer.status, answer.header("X-Dure-Error")), (404, "unknown"))

    def test_landing_page(self):
        answer = self.dure.request("GET", "/")
        self.assertEqual(answer.status, 200)
        self.assertIn("default-src 'none'", answer.header("Content-Security-Policy"))
        self.assertNotIn(b"<script", answer.body)


if __name__ == "__main__":
    unittest.main()
