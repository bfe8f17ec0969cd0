"""tap_unittest.py FILE [NAME…]: runs the unittest module FILE (or only the named tests in it) and
speaks TAP, each point as soon as it is known."""
import importlib.util
import os
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.number = 0
        self.bad = 0

    def point(self, ok, test, note=""):
        self.number += 1
        self.bad += not ok
        print(f"{'ok' if ok else 'not ok'} {self.number} - {test.id()}{note}", flush=True)

    def trouble(self, test, error):
        self.point(False, test)
        for line in "".join(traceback.format_exception(*error)).splitlines():
            print(f"# {line}", flush=True)

    def addSuccess(self, test):
        self.point(True, test)

    def addError(self, test, err):
        self.trouble(test, err)

    def addFailure(self, test, err):
        self.trouble(test, err)

    def addSkip(self, test, reason):
        self.point(True, test, f" # SKIP {reason}")

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.trouble(subtest, err)

    def addExpectedFailure(self, test, err):
        self.point(True, test)

    def addUnexpectedSuccess(self, test):
        self.point(False, test, " (was expected to fail)")


def main():
    path = os.path.abspath(sys.argv[1])
    sys.path[:0] = [os.path.dirname(path), os.path.dirname(os.path.abspath(__file__))]
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except unittest.SkipTest as skip:
        print(f"ok 1 - {name} # SKIP {skip}\n1..1")
        return 0
    loader = unittest.defaultTestLoader
    suite = (loader.loadTestsFromNames(sys.argv[2:], module) if sys.argv[2:]
             else loader.loadTestsFromModule(module))
    result = TapResult()
    suite.run(result)
    print(f"1..{result.number}")
    return 1 if result.bad else 0


sys.exit(main())
