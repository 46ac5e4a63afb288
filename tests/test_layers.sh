#!/bin/sh
# Who may include whom: base <- sim <- arch <- workloads <- cli, and results, which knows base and the public
# header alone. workloads/api_schema.c may ask results for the schema of a sweep file. cli sees the public
# header, and base beside it: it can do nothing that a program linked with the library cannot do.
# usage: test_layers.sh [ROOT]
set -u
cd "${1:-$(dirname "$0")/..}" || exit 66
failed=0
seen=0

# layer NAME ALLOWED...: every "x/y.h" that a file of NAME includes begins with an allowed folder.
layer() {
    dir=$1
    shift
    for file in "$dir"/*.[ch]; do
        seen=$((seen + 1))
        for header in $(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file"); do
            ok=no
            for allowed; do
                case $header in "$allowed"/*) ok=yes ;; esac
            done
            [ "$file $header" = "workloads/api_schema.c results/sweep.h" ] && ok=yes
            case $dir:$header in results:include/retsim.h) ok=yes ;; esac
            [ -e "$header" ] || { echo "$file: $header is no path from the root of the tree"; failed=1; }
            [ $ok = yes ] || { echo "$file: must not include $header (legal: $*)"; failed=1; }
        done
    done
}

layer base base
layer sim base sim
layer arch base sim arch
layer workloads base sim arch workloads include
layer results base results
layer cli base cli include
[ $seen -gt 50 ] || { echo "only $seen files were seen"; failed=1; }
exit $failed
