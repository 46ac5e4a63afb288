#!/bin/sh
# All tests: builds with gcc, clang and sanitizers, and everything that is shipped. Ends with a line
# `N passed, N failed`; the exit code is 1 when anything failed. On a bare Debian 12 it installs the packages
# it needs first. Builds go to build/, build-clang/ and build-asan/.
# usage: tools/test.sh
set -u
cd "$(dirname "$0")/.." || exit 66
export LC_ALL=C
passed=0
failed=0
jobs=$(nproc)
logs=$(mktemp -d) || exit 73
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM

verdict() {
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        echo "FAIL  $1"
        sed 's/^/      /' "$logs/log" | tail -n 60
    fi
}

# step NAME COMMAND...: one step; its output is shown when it fails.
step() {
    what=$1
    shift
    "$@" >"$logs/log" 2>&1 </dev/null
    verdict "$what" $?
}

# later NAME COMMAND...: a step that `run_later` runs beside others. No word has blanks.
later() {
    printf '%s|' "$1"
    shift
    printf '%s\n' "$*"
} >>"$logs/later"

one='
    name=${1%%|*}
    log=$(mktemp "$0/log.XXXXXX")
    if sh -c "${1#*|}" >"$log" 2>&1 </dev/null; then
        echo "ok    $name"
    else
        printf "%s\n" "FAIL  $name" "$(tail -n 60 "$log" | sed "s/^/      /")"
    fi'

run_later() {
    xargs -d '\n' -P "$jobs" -n 1 sh -c "$one" "$logs" <"$logs/later" | tee "$logs/done"
    n=$(grep -c '^ok ' "$logs/done")
    passed=$((passed + n))
    failed=$((failed + $(wc -l <"$logs/later") - n))
}

build() {
    dir=$1
    shift
    [ -e "$dir/build.ninja" ] || meson setup "$dir" "$@" || return
    ninja -k 0 -C "$dir"
}

# suite DIR: every test of a build directory is a step.
suite() {
    meson test -C "$1" --no-rebuild --num-processes "$jobs" --print-errorlogs >"$logs/suite" 2>&1 </dev/null
    code=$?
    sed -n '/^Summary of Failures/q; s/^ *[0-9]*\/[0-9]* \(.*\)$/\1/p' "$logs/suite" >"$logs/tests"
    while read -r line; do
        name=$(printf '%s' "$line" | sed 's,^[^ ]* */ *,,; s,  *[A-Z][A-Z]*  *[0-9.]*s.*,,')
        case $line in
        *' OK '* | *' EXPECTEDFAIL '*) passed=$((passed + 1)); echo "ok    $1 $name" ;;
        *' SKIP '*) echo "skip  $1 $name" ;;
        *) failed=$((failed + 1)); echo "FAIL  $1 $name" ;;
        esac
    done <"$logs/tests"
    [ $code -eq 0 ] && [ -s "$logs/tests" ] && return
    sed 's/^/      /' "$logs/suite"
    # A failure that no line of a test shows.
    grep -q 'FAIL\|TIMEOUT\|ERROR' "$logs/tests" && return
    failed=$((failed + 1))
    echo "FAIL  $1: meson test"
}

step 'packages' sh tools/setup.sh tests
[ $failed -eq 0 ] || { echo "$passed passed, $failed failed"; exit 1; }

step 'gcc build' build build
suite build
CC=clang
export CC
step 'clang build' build build-clang
unset CC
suite build-clang
# An error stops the program; with recovery a test could pass over it.
export ASAN_OPTIONS=abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1
step 'sanitizer build' build build-asan --buildtype=plain -Db_sanitize=address,undefined -Db_lundef=false \
    '-Dc_args=-O2 -g1 -fno-sanitize-recover=all'
suite build-asan

for script in tests/fuzz/*.sh; do
    later "$script" sh "$script" build-asan/retsim
done
bin=build/retsim
for file in configs/arch/*.yaml configs/tech/*.yaml configs/sweeps/*.yaml workloads/models/*.yaml \
    workloads/kernels/*.yaml; do
    later "check $file" $bin check "$file"
done

# Every architecture runs every form, and both phases; the instrumented program runs one of them.
edge=workloads/models/edge_kjv_d64.yaml
for arch in configs/arch/*.yaml; do
    name=$(basename "$arch" .yaml)
    # An engine fed by streams runs the kernels in tiles, and nothing else does.
    if grep -q '^streams:' "$arch"; then
        for kernel in workloads/kernels/ita_*.yaml; do
            run="run $name, $(basename "$kernel" .yaml)"
            later "$run" $bin run -a "$arch" -w "$kernel" -s work.s=200 --json
            later "$run, sanitizers" build-asan/retsim run -a "$arch" -w "$kernel" -s work.e=512 --json
        done
        continue
    fi
    for form in parallel recurrent chunkwise; do
        later "run $name, $form" $bin run -a "$arch" -w $edge -s work.form=$form -s work.phase=both \
            -s work.seq=128 -s work.tokens=8 --json
        later "run $name, $form, values" $bin run -a "$arch" -w workloads/networks/kjv_d64_l2 \
            -s work.form=$form -s work.phase=both -s work.seq=100 -s work.chunk=24 -s work.tokens=4 \
            --values --json
    done
    later "run $name, sanitizers" build-asan/retsim run -a "$arch" -w $edge -s work.seq=64 --method full \
        --json
    for kernel in workloads/kernels/*.yaml; do
        case $kernel in */ita_*) continue ;; esac
        later "run $name, $(basename "$kernel" .yaml)" $bin run -a "$arch" -w "$kernel" --json
    done
done
# Every network lowers and has a lower bound; the small ones run.
for work in workloads/models/*.yaml; do
    later "bound $(basename "$work" .yaml)" $bin run -a configs/arch/pulpissimo_retention_big.yaml \
        -w "$work" -s work.seq=128 --method bound --json
done
for work in workloads/models/edge_*.yaml; do
    later "run $(basename "$work" .yaml), decode" $bin run -a configs/arch/pulpissimo_retention.yaml \
        -w "$work" -s work.phase=decode -s work.tokens=4 --json
done
for tech in configs/tech/*.yaml; do
    later "price with $(basename "$tech" .yaml)" $bin run -a configs/arch/pulpissimo_retention.yaml -w $edge \
        -t "$tech" -s work.seq=64 --json
done
for sweep in configs/sweeps/*.yaml; do
    name=$(basename "$sweep" .yaml)
    later "sweep $name, dry" $bin sweep "$sweep" -o "$logs/$name.db" --dry-run
    later "sweep $name, 6 points" $bin sweep "$sweep" -o "$logs/$name.db" -j 2 --max-points 6
done
run_later
step 'demo' sh tools/demo.sh

echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
