#!/bin/sh
# Golden tests of the command line. Each tests/cli/NAME/cmd is run by sh in the root of the source tree with
# retsim first in PATH and a fresh directory in $T; standard output, standard error and exit code must be
# those of cmd.out, cmd.err (absent: empty) and cmd.exit (absent: 0).
# usage: run_cli.sh [--update] RETSIM [NAME...]
set -u
update=no
if [ "${1:-}" = --update ]; then
    update=yes
    shift
fi
if [ $# -lt 1 ] || [ ! -x "$1" ]; then
    echo "usage: $0 [--update] RETSIM [NAME...]" >&2
    exit 64
fi
bin=$(cd "$(dirname "$1")" && pwd)
PATH=$bin:$PATH
LC_ALL=C
COLUMNS=80
export PATH LC_ALL COLUMNS
shift
cd "$(dirname "$0")/.." || exit 66
tmp=$(mktemp -d) || exit 73
trap 'rm -rf "$tmp"' EXIT INT TERM
if [ $# -eq 0 ]; then
    for dir in tests/cli/*/; do
        set -- "$@" "$(basename "$dir")"
    done
fi

# expect DIR KIND ACTUAL: compares or updates one of the three files.
expect() {
    if [ $update = yes ]; then
        if [ -s "$3" ]; then cp "$3" "$1/cmd.$2"; else rm -f "$1/cmd.$2"; fi
        return 0
    fi
    want=$1/cmd.$2
    [ -e "$want" ] || want=/dev/null
    cmp -s "$want" "$3" && return 0
    echo "FAIL $1: cmd.$2 differs"
    diff -u "$want" "$3"
    return 1
}

run=0
failed=0
for name; do
    dir=tests/cli/$name
    if [ ! -e "$dir/cmd" ]; then
        [ "$name" = common ] || { echo "FAIL $dir: no cmd"; failed=$((failed + 1)); }
        continue
    fi
    T=$tmp/$name
    export T
    mkdir "$T"
    sh "$dir/cmd" >"$tmp/out" 2>"$tmp/err" </dev/null
    code=$?
    : >"$tmp/exit"
    [ $code -eq 0 ] || echo $code >"$tmp/exit"
    run=$((run + 1))
    bad=0
    for kind in exit out err; do
        expect "$dir" $kind "$tmp/$kind" || bad=1
    done
    failed=$((failed + bad))
done
echo "$run commands, $failed failed"
[ $failed -eq 0 ] && [ $run -gt 0 ]
