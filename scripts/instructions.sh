#!/usr/bin/env bash
# What each operation of benches/instructions.rs costs, in instructions, counted by callgrind. Fails when one is more
# than 5 % dearer than in an earlier commit, or than benches/instructions.toml says.
#
#   scripts/instructions.sh [BASE]     against BASE, else the parent of HEAD: both are built and counted in this run
#   scripts/instructions.sh --record   counts, and writes the figures that moved into benches/instructions.toml
#
# Who makes an operation dearer on purpose raises its figure there, and says why in the same row.
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_TARGET_DIR="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
export CARGO_TARGET_DIR
# Where the base is built. A target folder of its own: cargo does not tell two trees of one package apart, and would take
# the one's executable for the other's. Always the same, so that what the base depends on is compiled once.
base="$CARGO_TARGET_DIR/instructions-base"
record=benches/instructions.toml
times=200

main() {
    case "${1:-}" in
        --record) ;;
        -*) usage ;;
    esac
    [ $# -le 1 ] || usage
    work="$(mktemp -d)"
    trap 'rm -rf "$work" "$base/tree"' EXIT
    mkdir -p "$base"
    exec 9>"$base/lock"
    flock 9

    if [ "${1:-}" = --record ]; then
        count . >"$work/now"
        scripts/instructions/judge.py --record "$(toolchain)" "$record" "$work/now"
    else
        local commit
        commit="$(base_commit "${1:-}")"
        count_base "$commit"
        count . >"$work/now"
        scripts/instructions/judge.py "$(toolchain)" "$record" "$work/now" "$work/base-record" "$work/base"
    fi
}

usage() {
    sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# What the figures depend on, beside the code. (The processor is valgrind's, and the same everywhere.)
toolchain() {
    echo "$("${RUSTC:-rustc}" --version), $(uname -m), $(getconf GNU_LIBC_VERSION)"
}

# The commit to compare with; nothing when there is no parent.
base_commit() {
    if ! git rev-parse --verify --quiet "${1:-HEAD^}^{commit}" && [ -n "$1" ]; then
        echo "$1 is no commit" >&2
        exit 2
    fi
}

# Counts that commit, or leaves both files empty and says why.
count_base() {
    touch "$work/base" "$work/base-record"
    if [ -z "$1" ]; then
        echo "no parent commit is here (a shallow clone?): only the recorded figures are compared"
        return
    fi
    rm -rf "$base/tree"
    mkdir "$base/tree"
    # With the present time: by the commit's, cargo would take its files for those of the last base.
    git archive "$1" | tar -x --touch -C "$base/tree"
    if ! [ -e "$base/tree/benches/instructions.rs" ]; then
        echo "${1::12} counts no instructions: only the recorded figures are compared"
        return
    fi
    echo "before: ${1::12}"
    cp "$base/tree/$record" "$work/base-record"
    CARGO_TARGET_DIR="$base/target" count "$base/tree" >"$work/base"
}

# The operations of a tree, a line each, with what one time costs: what twice as many times cost more.
count() {
    local program operations operation once twice
    program="$(build "$1")"
    operations="$("$program")"
    for operation in $operations; do
        once="$(instructions "$program" "$operation" "$times")"
        twice="$(instructions "$program" "$operation" $((2 * times)))"
        echo "$operation $(((twice - once) / times))"
    done
}

build() {
    (cd "$1" && cargo bench --locked --no-run --bench instructions --message-format json-render-diagnostics) |
        sed -nE 's|.*"executable":"([^"]*/instructions-[0-9a-f]+)".*|\1|p'
}

instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --log-file="$work/valgrind" "$@" ||
        { cat "$work/valgrind" >&2 && return 1; }
    sed -n 's/.* Collected : //p' "$work/valgrind"
}

main "$@"
