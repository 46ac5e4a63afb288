#!/bin/sh
# Installs by name what is missing of the Debian packages that retsim needs. Installs nothing, and needs no
# network, when all of it is there. As root, or through sudo.
# usage: tools/setup.sh [tests]       `tests` adds what only tools/test.sh needs
set -eu

missing=

# need PACKAGE COMMAND...: PACKAGE is missing unless COMMAND succeeds.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

have() {
    command -v "$1"
}

# clang with the run-time library of its sanitizers.
clang_runtime() {
    dir=$(clang -print-runtime-dir)
    ls "$dir"/libclang_rt.asan* || ls "$dir"/../linux/libclang_rt.asan*
}

header() {
    printf '#include <%s>\n' "$1" | gcc -E -
}

find_missing() {
    missing=
    need gcc have gcc
    need libc6-dev header stdio.h
    need meson have meson
    need ninja-build have ninja
    need pkg-config have pkg-config
    need libyaml-dev pkg-config --exists yaml-0.1
    need libsqlite3-dev pkg-config --exists sqlite3
    need libcriterion-dev pkg-config --exists criterion
    need gnuplot-nox have gnuplot
    need fonts-dejavu-core test -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
    need sqlite3 have sqlite3
    [ "$1" = tests ] || return 0
    need clang have clang
    need python3-jsonschema /usr/bin/python3 -c 'import jsonschema'
    need python3-yaml /usr/bin/python3 -c 'import yaml'
    need libclang-rt-14-dev clang_runtime
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "setup: neither root nor sudo; as root: apt-get install --no-install-recommends$missing" >&2
        exit 77
    fi
}

what=${1:-use}
find_missing "$what"
if [ -z "$missing" ]; then
    echo "setup: everything is installed"
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here; please install what these Debian packages hold:$missing" >&2
    exit 69
fi
echo "setup: installing$missing"
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
# Word splitting makes the list of packages.
# shellcheck disable=SC2086
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing
find_missing "$what"
if [ -n "$missing" ]; then
    echo "setup: still missing:$missing" >&2
    exit 69
fi
echo "setup: done"
