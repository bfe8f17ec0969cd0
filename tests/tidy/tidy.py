#!/usr/bin/env python3
"""The rules of the house that no compiler checks. Prints `path:line: rule: what` for each break and
exits 1 when there is one. CONTRIBUTING.md says why each rule is there."""
import pathlib
import re
import shutil
import subprocess
import sys

FUNCTION_LINES = 70
FILE_LINES = 800
COLUMNS = 100
TAB = 8

# Which rooms a room's files may include, besides their own (DESIGN.md, Rooms). `engine` and
# `gateway` stand for engine/engine.h and gateway/gateway.h; the drivers below them are only for the
# program, which wires them.
MAY_CALL = {
    "base": set(),
    "store": {"base"},
    "account": {"base", "store"},
    "catalog": {"base", "store", "account"},
    "registry": {"base"},
    "engine": {"base"},
    "gateway": {"base"},
    "billing": {"base", "store", "account", "catalog"},
    "workload": {"base", "store", "account", "catalog", "registry", "engine", "gateway", "billing"},
    "monitor": {"base", "store", "engine"},
    "api": {"base", "store", "account", "catalog", "registry", "engine", "gateway", "billing",
            "workload", "monitor"},
    "cli": {"base"},
}
SEAMS = {"engine": "engine/engine.h", "gateway": "gateway/gateway.h"}

BANNED = {
    "strcpy": "str_copy", "strcat": "buf_puts", "strncpy": "str_copy", "strncat": "buf_append",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "atoi": "str_to_int64", "atol": "str_to_int64",
    "atoll": "str_to_int64", "atof": "integers", "gets": "fgets", "localtime": "timefmt",
    "gmtime": "gmtime_r", "strtok": "strchr", "system": "posix_spawn", "popen": "posix_spawn",
    "rand": "env_random", "srand": "env_random", "alloca": "an arena", "tmpnam": "mkstemp",
    "mktemp": "mkstemp", "asctime": "timefmt", "ctime": "timefmt", "inet_ntoa": "inet_ntop",
}
BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
INCLUDE = re.compile(r'^#include (["<])([^">]+)[">]', re.MULTILINE)
TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\([^)]{3,}\):)")
CODE_IN_COMMENT = re.compile(
    r"^(?:(?:if|for|while|switch) ?\(.*[{;)]|else( \{)?|return\b[^.]*;"
    r"|[\w>.\-*\[\] ]+ ?[-+|&]?= ?.+;|\w+\(.*\);|#(?:include|define|if|endif).*)$")


class Finding:
    def __init__(self, path, line, rule, text):
        self.path, self.line, self.rule, self.text = path, line, rule, text

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.text}"


def blank(match):
    """A comment or literal replaced by spaces, its lines kept."""
    return re.sub(r"[^\n]", " ", match[0])


def code_of(text):
    return TOKEN.sub(blank, text)


def check_lines(path, text):
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield Finding(path, len(lines), "file-length", f"{len(lines)} lines; {FILE_LINES} at most")
    for number, line in enumerate(lines, 1):
        # clang-format aligns a macro's backslashes by its own arithmetic
        width = len(re.sub(r"\s*\\$", "", line).expandtabs(TAB))
        if width > COLUMNS and not re.search(r"https?://\S{60,}", line):
            yield Finding(path, number, "columns", f"{width} columns; {COLUMNS} at most")
        if path.name != "tidy.py" and TODO.search(line):
            yield Finding(path, number, "todo", "say why and what it waits for, or do it now")


def check_functions(path, text):
    """In our layout a function's body opens with { and closes with } in the first column."""
    lines = text.splitlines()
    opened = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            opened = number - 1
            while opened > 1 and re.match(r"[\w\s\t]", lines[opened - 2]) and \
                    not lines[opened - 2].endswith((";", "}")) and lines[opened - 2].strip():
                opened -= 1
        elif line == "}" and opened:
            length = number - opened + 1
            if length > FUNCTION_LINES:
                yield Finding(path, opened, "function-length",
                              f"{length} lines; {FUNCTION_LINES} at most")
            opened = None


def check_banned(path, code):
    for number, line in enumerate(code.splitlines(), 1):
        for match in BANNED_CALL.finditer(line):
            yield Finding(path, number, "banned", f"{match[1]}(); use {BANNED[match[1]]}")


def check_comments(path, text):
    """Code that was commented out instead of removed. An indented example in a comment is fine."""
    for match in TOKEN.finditer(text):
        if not match[0].startswith(("/*", "//")):
            continue
        first = text.count("\n", 0, match.start()) + 1
        body = re.sub(r"^/\*|\*/$|^//", "", match[0])
        for offset, line in enumerate(body.split("\n")):
            inner = re.sub(r"^\s*\* ?", "", line) if offset else line.removeprefix(" ")
            if not inner.startswith(("   ", "\t")) and CODE_IN_COMMENT.match(inner.strip()):
                yield Finding(path, first + offset, "dead-code", f"commented-out: {inner.strip()}")
    if re.search(r"^#if 0\b", text, re.MULTILINE):
        line = text[:re.search(r"^#if 0\b", text, re.MULTILINE).start()].count("\n") + 1
        yield Finding(path, line, "dead-code", "#if 0")


def check_include_order(path, text):
    """A source's own header first, then the system's, then Dure's."""
    ours_seen = False
    for index, match in enumerate(INCLUDE.finditer(text)):
        number = text.count("\n", 0, match.start()) + 1
        own = index == 0 and pathlib.Path(match[2]).stem == path.stem
        if match[1] == '"' and not own:
            ours_seen = True
        elif match[1] == "<" and ours_seen:
            yield Finding(path, number, "include-order", f"<{match[2]}> belongs before ours")


def check_header(path, text):
    guard = "DURE_" + re.sub(r"\W", "_", path.as_posix().removeprefix("src/")).upper()
    if not text.startswith("/*"):
        yield Finding(path, 1, "header-comment", "a header begins with what it promises")
    if not re.search(rf"^#ifndef {guard}\n#define {guard}$", text, re.MULTILINE):
        yield Finding(path, 1, "header-guard", f"expected {guard}")


def room_of(path):
    parts = path.parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def check_rooms(path, text):
    room = room_of(path)
    if room is None:
        return
    for match in INCLUDE.finditer(text):
        if match[1] == "<":
            continue
        number = text.count("\n", 0, match.start()) + 1
        target = match[2].split("/")[0] if "/" in match[2] else "the program"
        if room not in MAY_CALL:
            yield Finding(path, number, "room-order", f"room {room} is not in tidy.py's table")
            return
        if target == room:
            continue
        if target not in MAY_CALL[room]:
            yield Finding(path, number, "room-order", f"{room} may not include {match[2]}")
        elif target in SEAMS and match[2] != SEAMS[target]:
            yield Finding(path, number, "room-order", f"{room} may only include {SEAMS[target]}")


def check_cycles(includes):
    """`includes`: header → headers of ours it includes. One finding a cycle."""
    state = {}

    def visit(name, trail):
        state[name] = "open"
        for other in includes.get(name, ()):
            if state.get(other) == "open":
                cycle = " → ".join([*trail[trail.index(other):], other])
                yield Finding(pathlib.Path("src") / name, 1, "include-cycle", cycle)
            elif other not in state:
                yield from visit(other, [*trail, other])
        state[name] = "done"

    for name in sorted(includes):
        if name not in state:
            yield from visit(name, [name])


def check_failpoints(table, sources):
    """Every point of the table is passed somewhere, and no other is."""
    named = set(re.findall(r"\bX\((\w+)\)", table.split("enum failpoint")[0])) - {"name"}
    placed = set()
    for path, code in sources.items():
        placed.update(re.findall(r"\bFAILPOINT\((\w+)\)", code))
    header = pathlib.Path("src/base/failpoint.h")
    for name in sorted(named - placed):
        yield Finding(header, 1, "failpoint", f"{name} is named but placed nowhere")


def check_pages(root):
    for room in sorted(path for path in (root / "src").iterdir() if path.is_dir()):
        if any(room.rglob("*.c")) and not (root / f"docs/internals/{room.name}.md").is_file():
            yield Finding(pathlib.Path(f"docs/internals/{room.name}.md"), 1, "page",
                          f"room {room.name} has no page")


def check_unit_tests(root):
    known = (root / "tests/unit/meson.build").read_text()
    for path in sorted((root / "tests/unit").glob("test_*.c")):
        if path.name not in known:
            yield Finding(path.relative_to(root), 1, "unit-test", "not in tests/unit/meson.build")


def check_shell(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"^[^#]*\b(pkill|killall)\b", line):
            yield Finding(path, number, "kill", "kill by process id, never by name")


def check_c(path, text):
    code = code_of(text)
    yield from check_functions(path, text)
    yield from check_banned(path, code)
    yield from check_comments(path, text)
    yield from check_include_order(path, text)
    yield from check_rooms(path, text)
    if path.suffix == ".h" and path.parts[0] == "src":
        yield from check_header(path, text)


def check_format(root, paths):
    program = shutil.which("clang-format")
    if not program:
        print("tidy: clang-format is not installed; layout not checked", file=sys.stderr)
        return
    done = subprocess.run([program, "--dry-run", "-Werror", *map(str, paths)], cwd=root,
                          capture_output=True, text=True)
    for path, line in re.findall(r"^([^:\n]+):(\d+):\d+: error: .*format-violations", done.stderr,
                                 re.MULTILINE):
        yield Finding(pathlib.Path(path), int(line), "format", "make fmt")


def tracked(root):
    """Files that git tracks or would: a new file is held to the rules before it is committed."""
    done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                          cwd=root, capture_output=True, check=False)
    names = done.stdout.decode().split("\0") if done.returncode == 0 else [
        str(p.relative_to(root)) for p in root.rglob("*")
        if p.is_file() and not p.relative_to(root).parts[0].startswith((".git", "build"))]
    return [pathlib.Path(n) for n in sorted(set(names)) if n and (root / n).is_file()]


def check_tree(root):
    includes, sources, c_files = {}, {}, []
    for path in tracked(root):
        kind = path.suffix
        if kind not in (".c", ".h", ".py", ".sh") and path.name not in ("run", "Makefile"):
            continue
        text = (root / path).read_text()
        yield from check_lines(path, text)
        if kind in (".c", ".h"):
            c_files.append(path)
            yield from check_c(path, text)
            if path.parts[0] == "src":
                sources[path] = text
                if kind == ".h":
                    includes[path.relative_to("src").as_posix()] = [
                        m[2] for m in INCLUDE.finditer(text) if m[1] == '"']
        elif kind != ".py":
            yield from check_shell(path, text)
    yield from check_cycles(includes)
    yield from check_failpoints(sources.get(pathlib.Path("src/base/failpoint.h"), ""),
                                {p: code_of(t) for p, t in sources.items() if p.suffix == ".c"})
    yield from check_pages(root)
    yield from check_unit_tests(root)
    yield from check_format(root, c_files)


def main():
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    findings = list(check_tree(root))
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} findings" if findings else "tidy: the house is tidy")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
