#!/usr/bin/env bash
# The long runs, in full. `cargo test` runs a tenth of each by the same code.
set -euo pipefail
cd "$(dirname "$0")/.."

# run VARIABLE SIZE TEST: the test, at the size that the variable says, or else at this one.
run() {
    local variable="$1" size="${!1:-$2}"
    echo "== $3: $variable=$size"
    env "$variable=$size" cargo test --release --test "$3" -- --nocapture
}

# Connecting, logging in and leaving, so many times.
run SOAK_ROUNDS 100000 soak
# Connections cut at random; from 10,000 on, also at every byte of a session in every way.
run CUTS 10000 cuts
# Histories in simulated time.
run SEEDS 1000 simulation
# The server killed under traffic, so many times for each durability; and this many people through a restart.
export RESTART_CLIENTS="${RESTART_CLIENTS:-1000}"
run KILLS 50 kills
