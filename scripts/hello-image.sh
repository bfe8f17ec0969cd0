#!/bin/sh
# hello-image.sh HELLO [TAG]: turns the static example program into a local Docker image, without
# the network. The engine is the one DOCKER_HOST names.
set -eu
program=$1
tag=${2:-dure-example/hello:1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
install -m 0755 "$program" "$work/hello"
tar -C "$work" --owner=0 --group=0 --mtime='2020-01-01' -c hello |
	docker import --change 'EXPOSE 8080' --change 'CMD ["/hello"]' - "$tag" >/dev/null
echo "$tag"
