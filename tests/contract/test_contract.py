"""The document is sound, and what tests/api recorded agrees with it.

Last: yes
Timeout: 600

The tools come from npm and are kept outside the tree, in $XDG_CACHE_HOME/dure/npm."""
import glob
import hashlib
import os
import shutil
import subprocess
import unittest

SOURCE = os.environ.get("DURE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.environ.get("DURE_BUILD", os.path.join(SOURCE, "build"))
RECORD = os.environ.get("DURE_RECORD", "")
HERE = os.path.join(SOURCE, "tests/contract")
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def tools():
    """The folder with node_modules for exactly this package.json; filled at first use."""
    with open(os.path.join(HERE, "package.json"), "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "dure/npm", "contract-" + wanted)
    if os.path.exists(os.path.join(folder, "complete")):
        return folder
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(HERE, "package.json"), folder)
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock",
                    "--loglevel=error"], cwd=folder, check=True, timeout=300)
    with open(os.path.join(folder, "complete"), "w", encoding="utf-8"):
        pass
    return folder


class Contract(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tools = tools()

    def run_tool(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300,
                              env=os.environ | QUIET, cwd=SOURCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_document_is_sound(self):
        self.run_tool(os.path.join(self.tools, "node_modules/.bin/redocly"), "lint",
                      "--config", "tests/contract/redocly.yaml", "api/openapi.yaml")

    def test_every_answer_agrees_and_every_status_was_seen(self):
        records = sorted(glob.glob(os.path.join(RECORD, "api-*.jsonl"))) if RECORD else []
        if not records:
            self.skipTest("tests/api has recorded nothing: run them with DURE_RECORD=<folder>")
        # Modules are looked for beside the program that imports them.
        program = shutil.copy(os.path.join(HERE, "validate.mjs"), self.tools)
        self.run_tool("node", program, os.path.join(BUILD, "api/openapi.json"), *records)


if __name__ == "__main__":
    unittest.main()
