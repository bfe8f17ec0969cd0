#!/bin/sh
# check.sh: what `make check` does after the installation. Every build that some test needs, then
# all tests in one run.
set -eu
cd "$(dirname "$0")/.."

python3 scripts/lint.py
BUILD=build-check scripts/build.sh check
BUILD=build-tsan scripts/build.sh tsan
BUILD=build-fuzz scripts/build.sh fuzz
BUILD=build-crash scripts/build.sh crash
exec tests/run --build build-check --tsan-build build-tsan --fuzz-build build-fuzz \
	--crash-build build-crash "$@"
