#!/bin/sh
# Every header compiles alone; the public one in C++ too, when there is a compiler for it.
# usage: test_headers.sh ROOT CC [FLAGS...]
set -u
cd "$1" || exit 66
shift
failed=0
seen=0
for header in include/*.h base/*.h sim/*.h arch/*.h workloads/*.h results/*.h cli/*.h; do
    seen=$((seen + 1))
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "$@" -std=gnu11 -Wall -Wextra -Werror -I. -Iinclude -fsyntax-only -x c - ||
        { echo "$header: does not compile alone"; failed=1; }
done
if command -v c++ >/dev/null; then
    printf '#include "retsim.h"\nint main() { return rs_version() == 0; }\n' |
        c++ -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ - || failed=1
fi
[ $seen -gt 20 ] || { echo "only $seen headers were seen"; failed=1; }
exit $failed
