#!/bin/sh
# Installs the library into a fresh directory, builds tests/consumer.c against it as somebody outside would,
# and runs it.
# usage: test_consumer.sh BUILD SANITIZE RETSIM CC...
set -u
build=$1
sanitize=$2
bin=$(cd "$(dirname "$3")" && pwd)/$(basename "$3")
shift 3
cd "$(dirname "$0")/.." || exit 66
root=$(pwd)
tmp=$(mktemp -d) || exit 73
trap 'rm -rf "$tmp"' EXIT INT TERM
meson install -C "$build" --no-rebuild --quiet --destdir "$tmp/root" || exit 1
pc=$(find "$tmp/root" -name retsim.pc)
[ -n "$pc" ] || { echo 'no retsim.pc was installed'; exit 1; }
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
flags=$(pkg-config --cflags --static retsim) || exit 1
# The system's own libraries are not below the new root.
libs=$(pkg-config --libs --static retsim | sed "s, -L$tmp/root/usr/lib[^ ]*,,g") || exit 1
[ "$sanitize" = none ] || flags="$flags -fsanitize=$sanitize"
cp tests/consumer.c "$tmp/"
cd "$tmp" || exit 1
# Word splitting makes the lists of options.
# shellcheck disable=SC2086
"$@" -std=c11 -Wall -Wextra -Wpedantic -Werror $flags consumer.c -o consumer $libs || exit 1
./consumer "$root/configs/arch/pulpissimo_retention.yaml" "$root/workloads/models/edge_kjv_d64.yaml" \
    points.db >out || { echo "consumer: exit code $?"; exit 1; }
cat out
grep -q 'more units are faster' out || exit 1
"$bin" query points.db "SELECT count(*) AS n FROM point" --format csv | grep -qx 2
