"""docs/errors.md names every problem of ERR_CODES with its status and title, and no other."""
import os
import re
import unittest

SOURCE = os.environ.get("DURE_SOURCE", os.path.join(os.path.dirname(__file__), "../.."))


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


class ErrorsPage(unittest.TestCase):
    def test_page_is_the_table(self):
        codes = re.findall(r'X\(ERR_\w+, "([^"]+)", (\d+), "([^"]+)"\)', read("src/base/err.h"))
        page = re.findall(r"^\| `([^`]+)` \| (\d+) \| ([^|]+) \|", read("docs/errors.md"), re.M)
        self.assertGreater(len(codes), 10)
        self.assertEqual(page, [code for code in codes if code[0] != "none"])


if __name__ == "__main__":
    unittest.main()
