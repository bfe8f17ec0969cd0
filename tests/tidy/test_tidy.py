"""Each rule of tidy.py is shown a break of it, and something near that is none; then the house."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import tidy

P = pathlib.Path


def rules(findings):
    return [finding.rule for finding in findings]


class Rules(unittest.TestCase):
    def c(self, text, path="src/store/x.c"):
        return rules(tidy.check_c(P(path), text))

    def test_functions_of_70_lines_and_no_more(self):
        long = "int f(int a,\n      int b)\n{\n" + "\ta++;\n" * 67 + "}\n"
        self.assertEqual(self.c(long), ["function-length"])
        self.assertEqual(self.c(long.replace("\ta++;\n", "", 1)), [])

    def test_files_of_800_lines_and_no_more(self):
        self.assertEqual(rules(tidy.check_lines(P("a.c"), "int a;\n" * 801)), ["file-length"])
        self.assertEqual(rules(tidy.check_lines(P("a.c"), "int a;\n" * 800)), [])

    def test_100_columns_with_tabs_of_8(self):
        self.assertEqual(rules(tidy.check_lines(P("a.c"), "\t" + "x" * 93)), ["columns"])
        self.assertEqual(rules(tidy.check_lines(P("a.c"), "\t" + "x" * 92)), [])

    def test_banned_functions(self):
        for name in tidy.BANNED:
            call = f"int f(void)\n{{\n\treturn {name}(a);\n}}\n"
            self.assertEqual(self.c(call), ["banned"], name)
        self.assertEqual(self.c("\tstr_copy(a, 1, b);\n\tsnprintf(a);\n\tx->system(y);\n"), [])
        self.assertEqual(self.c('/* strcpy(a) is banned */\nconst char *s = "system(1)";\n'), [])

    def test_code_in_comments(self):
        for code in ("/* if (x) { */", "/* a = b + 1; */", "/* call(x); */", "// return 1;",
                     "/*\n * for (;;) {\n */", "#if 0\n#endif"):
            self.assertIn("dead-code", self.c(code + "\n"), code)
        for prose in ("/* Returns 0; -1 when there is none. */", "/* example:\n *     f(x);\n */",
                      "/* a or b */", "/* 1: done; 0: again. */"):
            self.assertEqual(self.c(prose + "\n"), [], prose)

    def test_todo_without_reason(self):
        note = "TO" + "DO"
        self.assertEqual(rules(tidy.check_lines(P("a.c"), f"/* {note}: later */")), ["todo"])
        self.assertEqual(
            rules(tidy.check_lines(P("a.c"), f"/* {note}(needs libfoo 2): later */")), [])

    def test_include_order(self):
        bad = '#include "store/x.h"\n\n#include "base/err.h"\n#include <stdio.h>\n'
        self.assertEqual(self.c(bad), ["include-order"])
        good = '#include "store/x.h"\n\n#include <stdio.h>\n\n#include "base/err.h"\n'
        self.assertEqual(self.c(good), [])

    def test_rooms_call_only_downwards(self):
        def include(path, target):
            return self.c(f'#include "{target}"\n', path)

        self.assertEqual(include("src/base/a.c", "store/db.h"), ["room-order"])
        self.assertEqual(include("src/catalog/a.c", "workload/spec.h"), ["room-order"])
        self.assertEqual(include("src/workload/a.c", "engine/docker/docker.h"), ["room-order"])
        self.assertEqual(include("src/cli/a.c", "store/db.h"), ["room-order"])
        self.assertEqual(include("src/attic/a.c", "base/err.h"), ["room-order"])
        self.assertEqual(include("src/base/a.c", "config.h"), ["room-order"])
        self.assertEqual(include("src/workload/a.c", "engine/engine.h"), [])
        self.assertEqual(include("src/engine/docker/a.c", "engine/docker/docker.h"), [])
        self.assertEqual(include("src/serve.c", "engine/docker/docker.h"), [])

    def test_headers_say_what_they_are(self):
        good = "/* What. */\n#ifndef DURE_STORE_X_H\n#define DURE_STORE_X_H\n#endif\n"
        self.assertEqual(self.c(good, "src/store/x.h"), [])
        self.assertEqual(self.c(good[10:], "src/store/x.h"), ["header-comment"])
        self.assertEqual(self.c(good, "src/store/y.h"), ["header-guard"])

    def test_include_cycles(self):
        self.assertEqual(rules(tidy.check_cycles({"a.h": ["b.h"], "b.h": ["a.h"]})),
                         ["include-cycle"])
        self.assertEqual(
            rules(tidy.check_cycles({"a.h": ["b.h", "c.h"], "b.h": ["c.h"], "c.h": []})), [])

    def test_failure_points_are_placed(self):
        table = "#define FAILPOINTS(X) X(one) X(two)\nenum failpoint {"
        found = list(tidy.check_failpoints(table, {P("a.c"): "if (FAILPOINT(one))"}))
        self.assertEqual([f.text for f in found], ["two is named but placed nowhere"])

    def test_nothing_is_killed_by_name(self):
        kill = "pk" + "ill"
        self.assertEqual(rules(tidy.check_shell(P("a.sh"), f"{kill} -f dure\n")), ["kill"])
        self.assertEqual(rules(tidy.check_shell(P("a.sh"), f"# never {kill}\nkill $pid\n")), [])


class Tree(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = P(place.name)
        (self.root / "src/store").mkdir(parents=True)
        (self.root / "tests/unit").mkdir(parents=True)
        (self.root / "docs/internals").mkdir(parents=True)
        (self.root / "src/store/x.c").write_text("int x;\n")
        (self.root / "tests/unit/meson.build").write_text("'test_x.c'\n")

    def test_a_room_has_a_page(self):
        self.assertEqual(rules(tidy.check_pages(self.root)), ["page"])
        (self.root / "docs/internals/store.md").write_text("# store\n")
        self.assertEqual(rules(tidy.check_pages(self.root)), [])

    def test_a_unit_test_is_built(self):
        (self.root / "tests/unit/test_x.c").write_text("")
        self.assertEqual(rules(tidy.check_unit_tests(self.root)), [])
        (self.root / "tests/unit/test_y.c").write_text("")
        self.assertEqual(rules(tidy.check_unit_tests(self.root)), ["unit-test"])

    @unittest.skipUnless(tidy.shutil.which("clang-format"), "clang-format is not installed")
    def test_layout(self):
        self.assertEqual(rules(tidy.check_format(self.root, [P("src/store/x.c")])), [])
        (self.root / "src/store/x.c").write_text("int   x  ;\n")
        self.assertIn("format", rules(tidy.check_format(self.root, [P("src/store/x.c")])))


class House(unittest.TestCase):
    def test_the_house_is_tidy(self):
        done = subprocess.run([sys.executable, tidy.__file__], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
