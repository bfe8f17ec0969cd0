#!/bin/bash
# sandbox.sh [--docker] [--registry] COMMAND…: runs COMMAND in network, mount and process namespaces
# of its own with only a loopback interface, so that it meets nothing of this machine.
#
#   --docker    a Docker engine of its own; DOCKER_HOST and DURE_DOCKER_SOCKET name it, and
#               DURE_SANDBOX_DOCKER_PID its process (a file, so that a test may restart it with
#               "$DURE_SANDBOX_DOCKERD")
#   --registry  an image registry on 127.0.0.1:5000
#
# TMPDIR is a fresh directory. Whatever is still running when COMMAND ends is killed with the
# namespace; mounts go with it, the directory is removed. Exits with COMMAND's status.
set -euo pipefail

if [ "${1:-}" != --inside ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "sandbox.sh: namespaces with Docker in them need root" >&2
		exit 77
	fi
	base=$(mktemp -d "${TMPDIR:-/tmp}/dure-sandbox.XXXXXX")
	status=0
	DURE_SANDBOX_DIR=$base unshare --net --mount --pid --fork --kill-child --mount-proc \
		"$0" --inside "$@" &
	child=$!
	trap 'kill -TERM $child 2>/dev/null || :' TERM INT
	wait $child || status=$?
	if kill -0 $child 2>/dev/null; then # a signal cut the wait short
		wait $child || status=$?
	fi
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rm -rf "$base" 2>/dev/null && break
		sleep 0.2
	done
	# cgroups of containers that were killed with the namespace
	if [ -s "$base.ids" ]; then
		while read -r id; do
			find /sys/fs/cgroup -depth -type d -path "*$id*" -exec rmdir {} + \
				2>/dev/null || :
		done <"$base.ids"
	fi
	rm -f "$base.ids"
	exit $status
fi
shift

docker= registry=
while :; do
	case ${1:-} in
	--docker) docker=yes ;;
	--registry) registry=yes ;;
	*) break ;;
	esac
	shift
done

dir=$DURE_SANDBOX_DIR
mkdir -p "$dir/tmp"
export TMPDIR=$dir/tmp
ip link set lo up

if [ -n "$docker" ]; then
	export DURE_DOCKER_SOCKET=$dir/docker.sock DOCKER_HOST=unix://$dir/docker.sock
	export DURE_SANDBOX_DOCKER_PID=$dir/dockerd.pid DURE_SANDBOX_DOCKERD=$dir/start-dockerd
	cat >"$DURE_SANDBOX_DOCKERD" <<-END
		#!/bin/sh
		exec setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" \\
			-H "unix://$dir/docker.sock" -p "$dir/dockerd.pid" --shutdown-timeout 3 \\
			>>"$dir/dockerd.log" 2>&1 </dev/null
	END
	chmod +x "$DURE_SANDBOX_DOCKERD"
	"$DURE_SANDBOX_DOCKERD" &
fi
if [ -n "$registry" ]; then
	cat >"$dir/registry.yml" <<-END
		version: 0.1
		log: {level: error}
		storage:
		  filesystem: {rootdirectory: $dir/registry}
		  delete: {enabled: true}
		http: {addr: 127.0.0.1:5000}
	END
	docker-registry serve "$dir/registry.yml" >"$dir/registry.log" 2>&1 &
fi
answers() {
	if [ -n "$docker" ]; then
		curl -sf -m 5 --unix-socket "$dir/docker.sock" http://d/_ping >/dev/null || return 1
	fi
	if [ -n "$registry" ]; then
		curl -sf -m 5 http://127.0.0.1:5000/v2/ >/dev/null || return 1
	fi
}
tries=0
until answers; do
	tries=$((tries + 1))
	if [ $tries -gt 300 ]; then
		echo "sandbox.sh: Docker or the registry did not come up within 60 s" >&2
		tail -20 "$dir"/*.log >&2 || :
		exit 70
	fi
	sleep 0.2
done

status=0
setsid "$@" &
command=$!
trap 'kill -TERM -- -$command 2>/dev/null || :' TERM INT
wait $command || status=$?
trap '' TERM INT
if [ -n "$docker" ] && [ -s "$dir/dockerd.pid" ]; then
	docker ps -aq --no-trunc >"$dir.ids" 2>/dev/null || :
	kill -TERM "$(cat "$dir/dockerd.pid")" 2>/dev/null || :
	for _ in $(seq 50); do
		[ -s "$dir/dockerd.pid" ] || break
		kill -0 "$(cat "$dir/dockerd.pid")" 2>/dev/null || break
		sleep 0.1
	done
fi
exit $status
