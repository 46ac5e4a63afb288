#!/bin/sh
# Runs the examples of the documentation: in README.md and docs, every block that begins with ```sh run, those
# of one file in one shell, in a fresh copy of configs/ and workloads/ with the program as build/retsim. A
# block ```text output behind it holds what the commands print on standard output, exactly.
# usage: test_docs.sh [--update] RETSIM [FILE...]
set -u
update=no
if [ "${1:-}" = --update ]; then
    update=yes
    shift
fi
if [ $# -lt 1 ] || [ ! -x "$1" ]; then
    echo "usage: $0 [--update] RETSIM [FILE...]" >&2
    exit 64
fi
bin=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
cd "$(dirname "$0")/.." || exit 66
[ $# -gt 0 ] || set -- README.md docs/*.md docs/howto/*.md
root=$(pwd)
LC_ALL=C
COLUMNS=110
export LC_ALL COLUMNS
tmp=$(mktemp -d) || exit 73
trap 'rm -rf "$tmp"' EXIT INT TERM

# split FILE: block N becomes part of $tmp/script, its expected output $tmp/want.N.
split() {
    awk -v tmp="$tmp" '
    /^```/ && into { close(into); into = ""; next }
    /^```sh run$/ {
        n++
        into = tmp "/script"
        print "exec >" tmp "/out." n >> into
        expected = 1
        next
    }
    /^```text output$/ && expected { into = tmp "/want." n; printf "" >> into; expected = 0; next }
    /^```/ { expected = 0 }
    into { print >> into }
    END { print n + 0 > (tmp "/count") }' "$1"
}

# rewrite FILE: puts what was printed into the expected outputs.
rewrite() {
    awk -v tmp="$tmp" '
    skip && /^```/ { skip = 0 }
    /^```sh run$/ { n++ }
    !skip { print }
    /^```text output$/ {
        while ((getline line < (tmp "/out." n)) > 0) print line
        skip = 1
    }' "$1" >"$tmp/new" && cat "$tmp/new" >"$1"
}

sandbox() {
    rm -rf "$tmp/work" "$tmp"/out.* "$tmp"/want.* "$tmp/script"
    mkdir -p "$tmp/work/build" "$tmp/work/workloads"
    cp -R configs "$tmp/work/"
    cp -R workloads/models workloads/kernels "$tmp/work/workloads/"
    ln -s "$PWD/workloads/networks" "$tmp/work/workloads/networks"
    ln -s "$bin" "$tmp/work/build/retsim"
    echo 'set -e' >"$tmp/script"
}

blocks=0
failed=0
for file; do
    sandbox
    split "$file"
    n=$(cat "$tmp/count")
    [ "$n" -gt 0 ] || continue
    blocks=$((blocks + n))
    if ! (cd "$tmp/work" && sh "$tmp/script") >"$tmp/log" 2>&1 </dev/null; then
        echo "FAIL $file: a command failed"
        cat "$tmp"/out.* "$tmp/log"
        failed=$((failed + 1))
        continue
    fi
    [ $update = no ] || rewrite "$file"
    for want in "$tmp"/want.*; do
        if [ ! -e "$want" ] || [ $update = yes ] || cmp -s "$want" "$tmp/out.${want##*.}"; then
            continue
        fi
        echo "FAIL $file: output of block ${want##*.} differs (if that is meant: $0 --update RETSIM)"
        diff -u "$want" "$tmp/out.${want##*.}"
        failed=$((failed + 1))
    done
    cd "$root" || exit 66
done
echo "$blocks blocks, $failed failed"
[ $failed -eq 0 ] && [ $blocks -gt 0 ]
