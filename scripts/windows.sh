#!/usr/bin/env bash
# Windows from Debian: builds the executables with mingw, runs them and their tests under Wine.
#
#   scripts/windows.sh build              chat-server.exe and chat-client.exe, as shipped
#   scripts/windows.sh test               the suite as Windows executables, then chat-server.exe as it is shipped:
#                                         its imports, the Python client, the gate, what a delivery costs
#   scripts/windows.sh test ARGS          some tests of the suite (ARGS go to nextest: test a_name)
#   scripts/windows.sh run PROGRAM ARGS   one of the executables: run chat-server --help
set -euo pipefail
cd "$(dirname "$0")/.."

cache="${XDG_CACHE_HOME:-$HOME/.cache}/iocp-chat"
# Outside the clone, so that a machine that is kept starts warm; the Linux suite's too.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"
mkdir -p "$cache"
target=x86_64-pc-windows-gnu
shipped="$CARGO_TARGET_DIR/$target/release"

wine=/usr/lib/wine
export WINEPREFIX="$cache/wine" WINEDEBUG=-all LANG=C.UTF-8

main() {
    local verb="${1:-}"
    [ $# -eq 0 ] || shift
    case "$verb" in
        build)
            install_packages
            build
            ;;
        test)
            install_packages
            install_nextest
            [ $# -gt 0 ] || lint
            start_wine
            test_suite "$@"
            [ $# -gt 0 ] || test_shipped
            ;;
        run)
            install_packages
            build >&2
            make_prefix
            run "$@"
            ;;
        *)
            sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2
            exit 2
            ;;
    esac
}

# -- what it needs

install_packages() {
    local missing=()
    for package in rustc-web cargo-web rust-web-src rust-web-clippy gcc gcc-mingw-w64-x86-64 wine64 python3; do
        [ "$(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local root=()
    [ "$EUID" = 0 ] || root=(sudo)
    "${root[@]}" apt-get -o Acquire::Retries=5 update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 install -qy --no-install-recommends "${missing[@]}"
}

install_nextest() {
    export PATH="$cache/tools/bin:$PATH"
    command -v cargo-nextest >/dev/null || cargo install --quiet --locked --root "$cache/tools" cargo-nextest
}

# -- building

# Debian's compiler, which builds the standard library for Windows from Debian's source of it. RUSTC_BOOTSTRAP is
# for -Zbuild-std; the code itself uses nothing unstable.
for_target=(--target "$target" "-Zbuild-std=std,panic_abort" --locked)
for_windows() {
    env RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo CARGO_PROFILE_DEV_DEBUG=0 \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER="$PWD/scripts/windows/wine.sh" "$@"
}

# The lints of scripts/check.sh for the code that only Windows compiles. On this target clippy takes thread-locals that
# are const for ones that are not.
lint() {
    PATH="/usr/bin:$PATH" for_windows /usr/bin/cargo clippy "${for_target[@]}" --workspace --all-targets \
        --features external \
        -- -D warnings -A clippy::missing_const_for_thread_local
}

build() {
    for_windows /usr/bin/cargo build "${for_target[@]}" --release --bins
}

# -- Wine

# A Windows of our own, with the DLL that Wine 8 lacks.
make_prefix() {
    [ ! -e "$WINEPREFIX/complete" ] || return 0
    rm -rf "$WINEPREFIX"
    "$wine/wine64" wineboot.exe --init </dev/null >/dev/null 2>&1
    x86_64-w64-mingw32-gcc -O2 -Wall -shared scripts/windows/bcryptprimitives.c -ladvapi32 \
        -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll"
    # It ends by itself, too.
    "$wine/wineserver64" -k || true
    touch "$WINEPREFIX/complete"
}

# Keeps that Windows running until this script ends: programs start in a tenth of the time, and its services do
# not inherit, and hold open, the pipes of the first test.
start_wine() {
    mkdir -p "$cache"
    exec 9>"$cache/wine.lock"
    flock 9
    make_prefix
    trap '"$wine/wineserver64" -k || true' EXIT
    for _ in 1 2 3; do
        "$wine/wineserver64" -k || true
        "$wine/wineserver64" --foreground --persistent </dev/null >/dev/null 2>&1 9>&- &
        WINESERVER_PID=$!
        "$wine/wine64" wineboot.exe </dev/null >/dev/null 2>&1 9>&-
        # Whoever comes before it listens starts one that ends with the last program, and then this one has ended.
        ! kill -0 "$WINESERVER_PID" 2>/dev/null || break
    done
    export WINESERVER_PID
}

run() {
    local program="${1:-chat-server}"
    shift || true
    exec "$wine/wine64" "$shipped/$program.exe" "$@"
}

# -- tests

# Of what cannot run under Wine, and why:
#   loom                           switches stacks by itself, and Wine cannot unwind a panic on such a stack
#   python_client, gate, imports   start programs of Linux; test_shipped runs them, against chat-server.exe
#   python_resume                  starts Python, against a server of its own: no executable of ours is in it
#   store_postgres                 starts PostgreSQL; the same tests run on SQLite
#   testssl                        starts testssl.sh and OpenSSL; what it looks at is the same code
#   instructions                   starts a script that is of no use there
#   promtool                       starts a program of Linux
#   how much it has open           Wine 8 counts no handles
#   a file that cannot be written  Wine leaves that to Linux, where root may write to everything
#   a living server's pipe         Wine 8 lets a second process make the first instance of a pipe that is there
not_under_wine='binary(loom) or binary(python_client) or binary(python_resume) or binary(gate) or binary(imports) or binary(store_postgres) or
    binary(instructions) or binary(testssl) or binary(promtool) or test(a_process_knows_how_much_it_has_open) or
    test(a_file_that_cannot_be_written_to_is_told_at_the_start) or
    test(a_living_servers_pipe_is_not_taken) or test(a_living_servers_channel_is_not_taken)'

# All that starts no Linux program.
test_suite() {
    for_windows cargo-nextest nextest run "${for_target[@]}" --config-file scripts/windows/nextest.toml --workspace \
        --features external --no-fail-fast --test-threads 4 -E "not ($not_under_wine)" "$@" 9>&-
}

# chat-server.exe as it is shipped: that it starts on Nano Server, and how it serves clients that run on Linux. The
# two variables must reach no test that runs under Wine: those have their own chat-server.exe beside them.
test_shipped() {
    build
    scripts/imports.py "$shipped/chat-server.exe"
    export CHAT_TEST_SERVER="$PWD/scripts/windows/server.sh" CHAT_TEST_EXE="$shipped/chat-server.exe"
    cargo test --features external --test imports --test python_client 9>&-
    cargo test --features external --test gate -- --nocapture 9>&-
    cargo bench --bench fanout -- windows 9>&-
}

main "$@"
