"""Whole lives of workloads on real Docker and HAProxy, one at a time and many at once."""
# Needs: docker
# Timeout: 400
# Alone: yes
import concurrent.futures
import unittest

from system import System, make_image, until

MANY = 20
RIVALS = 100


class Lifecycle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_image()
        cls.system = System("--deploy-stop-grace", "1", "--deploy-drain-grace", "1")
        cls.addClassCleanup(cls.system.close)
        cls.system.start()
        cls.system.add_node("slot", gpus=16)
        for i in range(2):
            cls.system.add_node(f"more-{i}", gpus=16)

    def assert_nothing_left(self):
        system = self.system
        until(lambda: f"nothing left, but {system.containers()} {system.networks()} "
                      f"{system.routed_hosts()}",
              lambda: not (system.containers() or system.networks() or system.routed_hosts()))
        self.assertEqual(system.rows("SELECT * FROM node_gpu WHERE pod_name IS NOT NULL"), [])
        self.assertEqual(system.rows("SELECT name FROM pod WHERE phase <> 'gone'"), [])

    def test_register_deploy_visit_terminate(self):
        system = self.system
        ser = system.register(replicas=2, env={"GREETING": "안녕"})
        self.assertEqual(system.workload(ser)["state"], "registered")
        before = system.visit(ser, "/")
        self.assertEqual(before.status, 503)
        self.assertEqual(before.headers["x-dure-error"], "registered")
        self.assertEqual(system.deploy(ser)["state"], "deploying")
        deployed = system.until_state(ser, "deployed")
        self.assertEqual(deployed["pods"], {"asked": 2, "total": 2, "ready": 2})
        pods = system.pods(ser)
        names = {pod["name"] for pod in pods}
        self.assertEqual(system.pods_answering(ser), names)
        self.assertEqual(system.visit(ser).json["env"]["GREETING"], "안녕")
        self.assertEqual({pod["phase"] for pod in pods}, {"running"})
        self.assertEqual(system.containers(running=True), names)
        self.assertEqual(system.troubles(), [])
        self.assertEqual(system.call("DELETE", f"/workloads/{ser}").status, 409)
        self.assertEqual(system.terminate(ser)["state"], "terminating")
        system.until_state(ser, "terminated")
        after = system.visit(ser, "/")
        self.assertEqual(after.status, 503)
        self.assertEqual(after.headers["x-dure-error"], "terminated")
        self.assertEqual(system.pods(ser), [])
        reasons = [event["reason"] for event in system.events(ser)]
        self.assertEqual(reasons.count("ready"), 2, reasons)
        self.assert_nothing_left()

    def test_edit_redeploy_delete(self):
        system = self.system
        ser = system.register(env={"WORD": "first"})
        for word in ("first", "second"):
            system.want(200, "PATCH", f"/workloads/{ser}", {"env": {"WORD": word}})
            system.deploy(ser)
            system.until_state(ser, "deployed")
            self.assertEqual(system.visit(ser).json["env"]["WORD"], word)
            refused = system.call("PATCH", f"/workloads/{ser}", {"replicas": 2})
            self.assertEqual(refused.status, 409, refused)
            system.terminate(ser)
            system.until_state(ser, "terminated")
        host = system.workload(ser)["service_url"].split("//")[1].rstrip("/")
        system.want(204, "DELETE", f"/workloads/{ser}")
        self.assertEqual(system.call("GET", f"/workloads/{ser}").status, 404)
        gone = system.visit_host(host)
        self.assertEqual(gone.status, 404, gone)
        self.assertTrue(gone.headers["x-dure-error"])
        self.assert_nothing_left()

    def test_many_at_once(self):
        system = self.system
        sers = [system.register(replicas=2, cpu_milli=50, memory_mb=32) for _ in range(MANY)]
        with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
            list(pool.map(system.deploy, sers))
            for ser in sers:
                system.until_state(ser, "deployed", seconds=90)
            self.assertEqual(system.troubles(), [])
            self.assertEqual(len(system.containers(running=True)), 2 * MANY)
            for ser in sers:
                self.assertEqual(len(system.pods_answering(ser, 8)), 2)
            list(pool.map(system.terminate, sers))
            for ser in sers:
                system.until_state(ser, "terminated", seconds=90)
        self.assert_nothing_left()

    def test_the_last_gpu_goes_to_one(self):
        system = self.system
        system.add_node("last", gpus=1, tier=1)
        sers = [system.register(target="tier1") for _ in range(RIVALS)]
        with concurrent.futures.ThreadPoolExecutor(RIVALS) as pool:
            answers = list(pool.map(
                lambda ser: system.call("POST", f"/workloads/{ser}/deploy"), sers))
        winners = [ser for ser, got in zip(sers, answers) if got.status == 202]
        losers = [got for got in answers if got.status == 409]
        self.assertEqual((len(winners), len(losers)), (1, RIVALS - 1),
                         sorted({got.status for got in answers}))
        for got in losers:
            self.assertTrue(got.json["alternatives"], got)
        system.until_state(winners[0], "deployed")
        self.assertEqual(system.troubles(), [])
        system.terminate(winners[0])
        system.until_state(winners[0], "terminated")
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
