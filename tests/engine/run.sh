#!/bin/bash
# run.sh BUILD: the engine contract against a Docker and a registry of their own.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != --inside ]; then
	build=$(realpath "$1")
	exec "$here/../lib/sandbox.sh" --docker --registry "$here/run.sh" --inside "$build"
fi
build=$2
"${CC:-cc}" -static -O2 -Wall -o "$TMPDIR/pod" "$here/pod.c"
tar -C "$TMPDIR" -c pod | docker import -c 'CMD ["/pod", "serve"]' - dure-test-pod:1 >/dev/null
export DURE_TEST_IMAGE=docker.io/library/dure-test-pod:1
exec "$build/tests/engine/test_engine_docker"
