#!/bin/sh
# build.sh KIND: sets $BUILD up when it is not there, then builds. Kinds:
#   release  what people run                      bench    release, without debug checks of any kind
#   check    ASan, UBSan, failure points, arenas as mallocs
#   tsan     ThreadSanitizer, failure points      crash    release with failure points
#   fuzz     libFuzzer targets (clang)
set -eu
cd "$(dirname "$0")/.."
kind=${1:-release}
build=${BUILD:-build}

case $kind in
release) set -- -Dtests=false ;;
bench) set -- -Dtests=false --buildtype=release ;;
crash) set -- -Dtests=false -Dfailpoints=true ;;
check) set -- -Dfailpoints=true -Darena_malloc=true -Db_sanitize=address,undefined ;;
tsan) set -- -Dfailpoints=true -Db_sanitize=thread ;;
fuzz) set -- -Dfuzz=true -Darena_malloc=true -Db_sanitize=address,undefined -Db_lundef=false ;;
*) echo "build.sh: there is no kind \"$kind\"" >&2; exit 2 ;;
esac

if [ ! -f "$build/build.ninja" ]; then
	log=$(mktemp)
	[ "$kind" != fuzz ] || export CC=clang
	if ! meson setup "$build" . "$@" >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		exit 1
	fi
	rm -f "$log"
fi
exec ninja -C "$build" ${NINJA_FLAGS:---quiet}
