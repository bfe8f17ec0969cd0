#!/bin/bash
# The engine contract against a real Docker and a real registry.
#
# Needs: docker registry
# Timeout: 300
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
"${CC:-cc}" -static -O2 -Wall -o "$TMPDIR/pod" "$here/pod.c"
tar -C "$TMPDIR" -c pod | docker import -c 'CMD ["/pod", "serve"]' - dure-test-pod:1 >/dev/null
export DURE_TEST_IMAGE=docker.io/library/dure-test-pod:1
exec "$DURE_BUILD/tests/engine/docker_contract"
