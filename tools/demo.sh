#!/bin/sh
# Builds retsim, runs the shipped sweeps, draws their plots and a timeline: build/retsim, demo/results.db,
# demo/report.html, demo/prefill.pftrace, demo/*.svg, demo/*.png. A few minutes on two cores. On a bare
# Debian 12 it installs the packages it needs first.
# usage: tools/demo.sh [MAX_POINTS]      at most so many points of each sweep; default all
set -eu
cd "$(dirname "$0")/.."
max=${1:-}
jobs=$(nproc)
db=demo/results.db

sh tools/setup.sh
[ -e build/build.ninja ] || meson setup build
ninja -C build retsim

# Exit code 65: some points cannot run, which is an answer too.
sweep() {
    code=0
    build/retsim sweep "$1" -o $db -j "$jobs" ${max:+--max-points "$max"} || code=$?
    case $code in 0 | 65) ;; *) exit $code ;; esac
}

# Results of another version of the model would not fit to those of this one.
mkdir -p demo
rm -f $db $db-wal $db-shm demo/*.svg demo/*.png demo/*.gp demo/*.csv
sweep configs/sweeps/pe_array.yaml
sweep configs/sweeps/seq_latency.yaml

drawn=
for plot in $(build/retsim plot $db --list | cut -f 1); do
    # No network is evaluated here; configs/sweeps/quantization.yaml does that.
    [ "$plot" != quality-vs-energy ] || continue
    for kind in svg png; do
        build/retsim plot $db "$plot" -o "demo/$plot.$kind"
        drawn="$drawn demo/$plot.$kind"
    done
done
build/retsim report $db -o demo/report.html

ask() {
    printf '\n$ build/retsim query %s "%s"\n' "$db" "$1"
    build/retsim query $db "$1"
}
ask "SELECT array, engine_style AS style, dataflow, form, cycles, energy_uj, area_mm2 FROM v_pareto
     WHERE work = 'edge_kjv_d64' AND phase = 'prefill' AND seq = 512 ORDER BY cycles"
ask "SELECT seq, form, cycles, us_per_token, nj_per_token FROM v_points WHERE work = 'edge_kjv_d128'
     AND phase = 'prefill' AND array = '8x32' AND seq IN (128, 512, 2048) ORDER BY seq, cycles"
ask "SELECT form, cause, cycles, round(percent, 1) AS percent FROM v_breakdown WHERE work = 'edge_kjv_d128'
     AND phase = 'prefill' AND seq = 512 AND cycles > 0 AND form <> 'parallel' ORDER BY form, ord"

# One timeline, too: a whole prefill, unit by unit.
build/retsim trace -a configs/arch/pulpissimo_retention.yaml -w workloads/models/edge_kjv_d64.yaml \
    -s work.seq=64 -o demo/prefill.pftrace 2>/dev/null

printf '\nresults   %s\nreport    demo/report.html\ntimeline  demo/prefill.pftrace (Perfetto)\n' $db
for file in $drawn; do
    echo "picture   $file"
done
