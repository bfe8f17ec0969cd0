#!/usr/bin/env python3
"""Turns files into a C array of named byte strings: embed.py SYMBOL OUT FILE...

The output defines `const struct embedded_file SYMBOL[]` (see base/embed.h), ended by an entry whose
name is NULL, in the order of the arguments."""
import os
import sys


def literal(data: bytes) -> str:
    rows = [data[i:i + 20] for i in range(0, len(data), 20)]
    return "\n".join("\t" + ",".join(str(b) for b in row) + "," for row in rows)


def main() -> None:
    symbol, out, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    parts = ['#include "base/embed.h"\n']
    for i, path in enumerate(files):
        data = open(path, "rb").read()
        bytes_of = literal(data + bytes(1))
        parts.append(f"static const unsigned char file_{i}[] = {{\n{bytes_of}\n}};\n")
    parts.append(f"const struct embedded_file {symbol}[] = {{\n")
    for i, path in enumerate(files):
        name = os.path.basename(path)
        parts.append(f'\t{{ "{name}", (const char *)file_{i}, sizeof(file_{i}) - 1 }},\n')
    parts.append("\t{ NULL, NULL, 0 },\n};\n")
    with open(out, "w", encoding="utf-8") as f:
        f.write("".join(parts))


main()
