#!/bin/sh
# run.sh: what `make run` does after the build. Ctrl-C ends Dure; the workloads go on running and
# are found again at the next start.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ]; then
	home=/var/lib/dure
else
	home=${XDG_DATA_HOME:-$HOME/.local/share}/dure
fi
data=${DURE_DATA_DIR:-$home}
mkdir -p "$data"
scripts/docker-up.sh "$data"
exec "${BUILD:-build}/src/dure" serve --data-dir "$data"
