#!/bin/sh
# Damaged network directories; see tests/fuzz_network.c.
# usage: network.sh RETSIM [SEED [COUNT]]   the program whose build directory holds tests/fuzz_network
set -eu
exec "$(dirname "$1")/tests/fuzz_network" "${2:-7}" "${3:-3000}"
