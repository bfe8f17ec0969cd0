#!/bin/sh
# install.sh run|check|bench: installs what is missing for that purpose from Debian 12, and nothing
# else. What is there already is not touched.
set -eu
purpose=${1:-run}

build="gcc libc6-dev meson ninja-build pkg-config python3 libjansson-dev libsqlite3-dev
libsodium-dev libcurl4-openssl-dev libmicrohttpd-dev libsystemd-dev libyaml-dev"
run="$build docker.io iptables haproxy curl ca-certificates"
case $purpose in
run) wanted=$run ;;
check) wanted="$run libcmocka-dev clang clang-tidy clang-format libclang-rt-14-dev cppcheck
git iproute2 util-linux procps docker-registry nodejs npm" ;;
bench) wanted="$run nginx-light wrk iproute2 util-linux procps sqlite3" ;;
*) echo "usage: install.sh run|check|bench" >&2; exit 2 ;;
esac

# A package counts as there when dpkg has it installed, or when another one provides its program.
is_there() {
	dpkg -s "$1" 2>/dev/null | grep -q '^Status: install ok installed' && return 0
	case $1 in
	docker.io) command -v dockerd >/dev/null ;;
	nginx-light) command -v nginx >/dev/null ;;
	nodejs) command -v node >/dev/null ;;
	npm | clang | clang-tidy | clang-format | python3) command -v "$1" >/dev/null ;;
	gcc | git | curl) command -v "$1" >/dev/null ;;
	*) return 1 ;;
	esac
}

missing=
for package in $wanted; do
	is_there "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "install.sh: this is not Debian; please install yourself:$missing" >&2
	exit 1
fi
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "install.sh: not root and no sudo; as root: apt-get install$missing" >&2
		exit 1
	}
	as_root=sudo
fi

# The traffic servers come with services that would take ports; Dure starts its own HAProxy and the
# tests their own nginx and registry. Docker is left to start: Dure needs it.
for service in haproxy nginx docker-registry; do
	case " $missing " in
	*" $service"*) ;;
	*) continue ;;
	esac
	unit=/etc/systemd/system/$service.service
	if [ -d /run/systemd/system ] && [ ! -e "$unit" ]; then
		$as_root systemctl mask --quiet "$service.service"
		masked="${masked:-} $service"
	fi
done
unmask() {
	for service in ${masked:-}; do
		$as_root systemctl unmask --quiet "$service.service"
		$as_root systemctl disable --quiet "$service.service" 2>/dev/null || :
	done
}
trap unmask EXIT

echo "Installing from Debian:$missing"
export DEBIAN_FRONTEND=noninteractive
install() {
	# shellcheck disable=SC2086 # a list of words
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends $missing >"$log" 2>&1
}
log=$(mktemp)
if ! install; then
	$as_root apt-get update -qq >>"$log" 2>&1 || :
	if ! install; then
		tail -20 "$log" >&2
		echo "install.sh: could not install:$missing" >&2
		echo "is there a network, and are Debian 12's package sources set up?" >&2
		rm -f "$log"
		exit 1
	fi
fi
rm -f "$log"
