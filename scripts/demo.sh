#!/bin/sh
# demo.sh: a workload from registration to an answering URL and back, on ports and in a directory of
# its own, which it removes again. Needs a Docker engine; starts one as `make run` does.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
dure="$build/src/dure"
work=$(mktemp -d)
server=

say() { printf '\n== %s\n' "$*"; }

finish() {
	status=$?
	trap - EXIT INT TERM
	if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
		"$dure" workload terminate 1 --yes -q >/dev/null 2>&1 || :
		kill "$server"
		wait "$server" || :
	fi
	[ $status = 0 ] || tail -5 "$work/log" >&2 2>/dev/null || :
	rm -rf "$work"
	exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

scripts/docker-up.sh "${DURE_DATA_DIR:-${XDG_DATA_HOME:-${HOME:-/var/lib}}/dure-docker}"
socket=${DURE_DOCKER_SOCKET:-/var/run/docker.sock}
DOCKER_HOST=unix://$socket scripts/hello-image.sh "$build/examples/hello/hello" >/dev/null
export XDG_CONFIG_HOME="$work/config"

say "dure serve, in a directory of its own"
"$dure" serve --data-dir "$work/data" --listen 127.0.0.1:0 --port-file "$work/port" \
	--service-port "$(free_port)" --docker-socket "$socket" >"$work/out" 2>"$work/log" &
server=$!
tries=0
until [ -f "$work/port" ]; do
	tries=$((tries + 1))
	if [ $tries -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
		cat "$work/out" "$work/log" >&2
		exit 1
	fi
	sleep 0.1
done
export DURE_URL="http://127.0.0.1:$(cat "$work/port")"
sed -n 's/^  Password *//p' "$work/out" | "$dure" login --user operator --password-stdin

say "a PC café lends two (simulated) RTX 4090, Tier 3"
"$dure" node add pc-cafe-1 --tier 3 --gpu rtx4090:2 --cpu 2 --memory 2G --base 300 --usage 200
"$dure" gpu list

say "register and deploy two replicas"
"$dure" workload register --description "두레 데모" --registry docker_hub \
	--image dure-example/hello:1 --port 8080 --target tier3 --replicas 2 --gpu rtx4090 \
	--cpu 0.5 --memory 128M --env GREETING=hello
"$dure" workload deploy 1
"$dure" workload pods 1

say "both pods answer at the service URL"
url=$("$dure" workload show 1 -o json |
	python3 -c 'import json, sys; print(json.load(sys.stdin)["service_url"])')
host=${url#http://}
host=${host%%/*}
fetch() { curl -sS -m 10 --resolve "$host:127.0.0.1" "$@"; }
seen=
tries=0
while [ "$(printf '%s\n' "$seen" | sort -u | grep -c dep1)" -lt 2 ]; do
	tries=$((tries + 1))
	[ $tries -le 50 ] || { echo "only one pod answered 50 requests" >&2; exit 1; }
	answer=$(fetch "$url")
	pod=$(printf '%s\n' "$answer" | sed -n 's/^Hello from pod //p')
	case $seen in *"$pod"*) ;; *) printf 'curl %s\n%s\n\n' "$url" "$answer" ;; esac
	seen="$seen
$pod"
done

say "terminate, and what the URL says then"
"$dure" workload terminate 1 --yes
status=$(fetch -o "$work/page" -w '%{http_code}' "$url")
sed -n 's/.*<h1[^>]*>\(.*\)<\/h1>.*/  \1/p; s/.*<h2[^>]*>\(.*\)<\/h2>.*/  \1/p' "$work/page"
[ "$status" = 503 ] || { echo "the URL answered $status, 503 was expected" >&2; exit 1; }
left=$(DOCKER_HOST=unix://$socket docker ps -aq --filter name=dep1- | wc -l)
[ "$left" = 0 ] || { echo "$left containers are left" >&2; exit 1; }
say "done: nothing is left behind"
