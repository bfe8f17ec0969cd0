#!/usr/bin/env python3
"""lint.py [--quick] [PATTERN…]: gcc and clang with every warning an error, clang-tidy, cppcheck and
gcc's static analyser, over the program's sources. --quick: the two compilers only. PATTERNs are
parts of file names."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", SOURCE / "build-lint")).resolve()
WARNINGS = ["-std=c17", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow",
            "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wvla", "-Werror"]


def set_up():
    if not (BUILD / "build.ninja").is_file():
        subprocess.run(["meson", "setup", BUILD, SOURCE, "-Dfailpoints=true"], check=True,
                       stdout=subprocess.DEVNULL)
    else:
        subprocess.run(["ninja", "-C", BUILD, "--quiet", "build.ninja"], check=True,
                       stdout=subprocess.DEVNULL)


def entries(patterns):
    """(source, its -I and -D words) of our own C; what is generated is not judged."""
    chosen = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if not path.is_relative_to(SOURCE) or path.is_relative_to(BUILD):
            continue
        name = path.relative_to(SOURCE).as_posix()
        if patterns and not any(pattern in name for pattern in patterns):
            continue
        words = shlex.split(entry["command"])
        kept = [word for word in words if word.startswith(("-I", "-D", "-isystem"))]
        chosen[name] = kept
    return sorted(chosen.items())


def run(command):
    done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True)
    return done.returncode, (done.stdout + done.stderr).strip()


def lint(name, words, quick):
    """The complaints about one source, each with the tool that made it."""
    path = str(SOURCE / name)
    bare = [*words, "-fsyntax-only"]
    tools = [("gcc", ["gcc", *WARNINGS, *bare, path]),
             ("clang", ["clang", *WARNINGS, "-Wno-string-conversion", *bare, path])]
    if not quick and name.startswith("src/"):
        # Tests are left to the compilers and the sanitizers: cmocka's assertions end a test by
        # longjmp, which the analysers take for a way on.
        if name != "src/base/err.c":
            words = [*words, f"-I{SOURCE / 'src'}", "-include", str(SOURCE / "scripts/lint.h")]
        # The analyser of gcc 12 does not follow cleanup attributes: what it says of leaks and of
        # descriptors and va_lists behind them is wrong. The rest of it is kept.
        tools.append(("gcc -fanalyzer", [
            "gcc", "-std=c17", "-O1", *words, "-Werror", "-fanalyzer", "-Wno-analyzer-malloc-leak",
            "-Wno-analyzer-fd-leak", "-Wno-analyzer-file-leak",
            "-Wno-analyzer-use-of-uninitialized-value", "-c", "-o", "/dev/null", path]))
        tools.append(("clang-tidy", ["clang-tidy", "--quiet", path, "--", "-std=c17", *words]))
    bad = []
    for tool, command in tools:
        status, output = run(command)
        if status != 0:
            bad.append(f"--- {tool}: {name}\n{output}")
    return bad


def cppcheck(chosen):
    command = ["cppcheck", "--enable=warning,performance,portability", "--std=c11", "--quiet",
               "--inline-suppr", "--error-exitcode=1", "--suppress=missingIncludeSystem",
               # cleanup attributes: what it calls leaked is freed, what it says is kept is not
               "--suppress=memleak", "--suppress=autoVariables",
               "--suppress=unknownMacro", "-j", str(os.cpu_count() or 1), "-D_GNU_SOURCE",
               "-DDURE_VERSION=\"0\"", "-I", str(SOURCE / "src"),
               *[str(SOURCE / name) for name, _ in chosen if name.startswith("src/")]]
    status, output = run(command)
    return [f"--- cppcheck\n{output}"] if status != 0 else []


def main():
    quick = "--quick" in sys.argv
    set_up()
    chosen = entries([word for word in sys.argv[1:] if not word.startswith("-")])
    bad = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for found in pool.map(lambda entry: lint(*entry, quick), chosen):
            bad += found
            for text in found:
                print(text, flush=True)
    if not quick:
        found = cppcheck(chosen)
        bad += found
        print("\n".join(found), end="\n" if found else "")
    print(f"lint: {len(chosen)} files, {len(bad)} complaints")
    return 1 if bad else 0


sys.exit(main())
