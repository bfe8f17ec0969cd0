#!/bin/sh
# docker-up.sh DIR: makes sure that a Docker engine answers. Prints nothing when one does. Otherwise
# starts it: by systemd where that runs, else dockerd in the background with its pid file and log
# in DIR. The socket is $DURE_DOCKER_SOCKET or Docker's own.
set -eu
dir=$1
socket=${DURE_DOCKER_SOCKET:-/var/run/docker.sock}

answers() { curl -sf -m 5 --unix-socket "$socket" http://docker/_ping >/dev/null 2>&1; }

answers && exit 0
if [ -S "$socket" ] && [ ! -w "$socket" ]; then
	echo "Docker's socket $socket is not yours to use: add yourself to the group docker," >&2
	echo "log in again and repeat, or run this as root." >&2
	exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
	as_root=sudo
fi
if [ -d /run/systemd/system ]; then
	echo "Docker does not run: starting docker.service"
	$as_root systemctl start docker
else
	mkdir -p "$dir"
	echo "Docker does not run: starting dockerd in the background"
	echo "  log $dir/dockerd.log; stop it with: ${as_root:+sudo }kill \$(cat $dir/dockerd.pid)"
	# shellcheck disable=SC2086 # no word when root
	$as_root setsid dockerd -H "unix://$socket" -p "$dir/dockerd.pid" \
		>"$dir/dockerd.log" 2>&1 </dev/null &
fi
tries=0
until answers; do
	tries=$((tries + 1))
	if [ $tries -gt 120 ]; then
		echo "Docker did not answer on $socket within 60 s" >&2
		[ ! -f "$dir/dockerd.log" ] || tail -5 "$dir/dockerd.log" >&2
		exit 1
	fi
	sleep 0.5
done
