#!/usr/bin/env bash
# The long runs, in full: 100,000 rounds of connecting, logging in and leaving. `cargo test` runs a tenth by the
# same code.
set -euo pipefail
cd "$(dirname "$0")/.."
SOAK_ROUNDS="${SOAK_ROUNDS:-100000}" cargo test --release --test soak -- --nocapture
