#!/bin/sh
# Damaged architecture, workload, technology and sweep files; see tests/fuzz_yaml.c.
# usage: yaml.sh RETSIM [SEED [COUNT]]      the program whose build directory holds tests/fuzz_yaml
set -eu
exec "$(dirname "$1")/tests/fuzz_yaml" "${2:-7}" "${3:-2000}"
