#!/usr/bin/env bash
# Measures our server beside others from Debian, and against its own targets, and writes the tables of
# docs/BENCHMARKS.md, which says what each figure means.
#
#   scripts/compare.sh                         everything below
#   scripts/compare.sh peers [SCENARIO ...]    the same load on each server: broadcast-1000 broadcast-100 steady
#                                              whisper idle churn
#   scripts/compare.sh targets [RUN ...]       our own targets: broadcast-100 broadcast-1000 broadcast-10000 ...
#   scripts/compare.sh tables                  writes the tables again, from what was measured last
#
# ROUNDS (3) is how often everything is measured; the tables have the medians. Within a round the servers take turns.
# SECONDS_EACH (5) is how long each is measured. SERVER_CORE (0) and GENERATOR_CORE (1) are the processors that the two
# sides are bound to. Nothing else should run meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds="${ROUNDS:-3}"
seconds_each="${SECONDS_EACH:-5}"
server_core="${SERVER_CORE:-0}"
generator_core="${GENERATOR_CORE:-1}"

target="${CARGO_TARGET_DIR:-target}"
results="$target/compare"
# Debian keeps servers where only root's PATH leads.
PATH="$PATH:/usr/sbin"

# Ours, as it is measured: members may be as fast as they can, nobody is told who comes and goes.
ours=("$target/release/chat-server" --set rates.chat.per_second=0 --set limits.notice_members=0
    --set limits.connections=20000 --set log.level=warn)

# What each server speaks.
declare -A protocols=(["chat-server"]=chat ["redis-server"]=redis ["nats-server"]=nats [ngircd]=irc [inspircd]=irc
    [mosquitto]=mqtt)
servers=(chat-server redis-server nats-server ngircd inspircd mosquitto)

# Members on their way in at a time, before what is measured: 64, but ngircd has a queue of 10 connections, beyond
# which the system lets them wait for a second or more, and inspircd lets in once a second whoever is there. What it
# holds of a crowd that came at once it does not give back, so where memory is measured fewer come.
declare -A at_once=([ngircd]=8 [inspircd]=250 ["inspircd idle"]=16)

# What is done to each, as the generator of benches/peers calls it.
declare -A scenarios=(
    ["broadcast-1000"]="broadcast --clients 1000 --duration $seconds_each"
    ["broadcast-100"]="broadcast --clients 100 --duration $seconds_each"
    [steady]="steady --clients 1000 --duration $((2 * seconds_each))"
    [whisper]="whisper --clients 100 --duration $seconds_each"
    [idle]="idle --clients 1000"
    [churn]="churn --clients 32 --duration $seconds_each"
)
scenario_order=(broadcast-1000 broadcast-100 steady whisper idle churn)

# What our server is put to for its targets, as chat-client bench calls it.
declare -A runs=(
    ["broadcast-100"]="broadcast --clients 100 --duration $seconds_each"
    ["broadcast-300"]="broadcast --clients 300 --duration $seconds_each"
    ["broadcast-1000"]="broadcast --clients 1000 --duration $seconds_each"
    ["broadcast-3000"]="broadcast --clients 3000 --duration $seconds_each"
    ["broadcast-10000"]="broadcast --clients 10000 --duration $seconds_each"
    ["pipeline-100"]="broadcast --clients 100 --window 256 --duration $seconds_each"
    ["pipeline-1000"]="broadcast --clients 1000 --window 256 --duration $seconds_each"
    [steady]="steady --clients 1000 --duration $((2 * seconds_each))"
    [whisper]="whisper --clients 100 --duration $seconds_each"
    [churn]="churn --clients 32 --duration $seconds_each"
    ["idle-5000"]="idle --clients 5000 --duration $((2 * seconds_each))"
    ["idle-15000"]="idle --clients 15000 --duration $((2 * seconds_each))"
    [stalled]="stalled --clients 100 --duration $((3 * seconds_each))"
    ["not-stalled"]="broadcast --clients 100 --duration $((3 * seconds_each))"
    [rooms]="rooms --clients 1000 --rooms 50 --duration $seconds_each"
    [crowded]="crowded --clients 10000 --rooms 50 --duration $seconds_each"
    ["broadcast-1000-tls"]="broadcast --clients 1000 --duration $seconds_each"
    ["steady-tls"]="steady --clients 1000 --duration $((2 * seconds_each))"
    ["churn-tls"]="churn --clients 32 --duration $seconds_each"
    ["idle-5000-tls"]="idle --clients 5000 --duration $((2 * seconds_each))"
)
run_order=(broadcast-100 broadcast-300 broadcast-1000 broadcast-3000 broadcast-10000 pipeline-100 pipeline-1000 steady
    whisper churn idle-5000 idle-15000 stalled not-stalled rooms crowded broadcast-1000-tls steady-tls churn-tls
    idle-5000-tls)

main() {
    local section="${1:-all}"
    [ $# -eq 0 ] || shift
    case "$section" in
        all)
            check_programs "${servers[@]:1}"
            build
            measure_peers "${scenario_order[@]}"
            measure_targets "${run_order[@]}"
            ;;
        peers)
            [ $# -gt 0 ] || set -- "${scenario_order[@]}"
            check_names scenarios "$@"
            check_programs "${servers[@]:1}"
            build
            measure_peers "$@"
            ;;
        targets)
            [ $# -gt 0 ] || set -- "${run_order[@]}"
            check_names runs "$@"
            check_programs
            build
            measure_targets "$@"
            ;;
        tables) ;;
        *)
            sed -n '2,/^set/ s/^# \{0,1\}//p' "$0" >&2
            exit 2
            ;;
    esac
    python3 scripts/compare/tables.py "$results" docs/BENCHMARKS.md
}

fail() {
    echo "compare: $1" >&2
    exit 1
}

# -- what it needs

check_names() {
    local -n known="$1"
    local name
    for name in "${@:2}"; do
        [ -n "${known[$name]:-}" ] || fail "there is no $name; there are: ${!known[*]}"
    done
}

check_programs() {
    local program missing=()
    for program in "$@"; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    [ ${#missing[@]} -eq 0 ] || fail "missing: ${missing[*]}; apt-get install --no-install-recommends ${missing[*]}"
    # Of Debian's util-linux and python3, which nearly every machine has.
    for program in taskset python3; do
        command -v "$program" >/dev/null || fail "missing: $program; apt-get install util-linux python3"
    done
    taskset -c "$server_core,$generator_core" true || fail "two processors are needed, one for each side"
    [ "$server_core" != "$generator_core" ] || fail "the two sides need a processor each"
}

# The generator is a benchmark, whose file has a name that cargo chooses.
build() {
    cargo build --release --bins
    generator="$(cargo build --release --bench peers --message-format=json |
        sed -nE 's/.*"executable":"([^"]*\/peers-[0-9a-f]+)".*/\1/p')"
    [ -x "$generator" ] || fail "cargo did not say where it built the generator"
}

# -- servers

server_pid=""
folder=""
trap 'stop_server' EXIT

# Starts a server in a folder of its own and at a free port, and waits until it listens.
start_server() {
    local name="$1" command
    folder="$(mktemp -d)"
    chmod 755 "$folder"
    port="$(free_port)"
    [ -z "${configs[$name]:-}" ] || sed "s|@PORT@|$port|g; s|@FOLDER@|$folder|g" "scripts/compare/${configs[$name]}" \
        >"$folder/${configs[$name]}"
    [ "$name" != chat-server-tls ] || "$target/release/chat-server" cert selfsigned --data "$folder/data" >"$folder/log"
    server_command "$name"
    taskset -c "$server_core" "${command[@]}" >"$folder/log" 2>&1 &
    server_pid=$!
    local tries
    for tries in {1..100}; do
        ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$folder/log" >&2
    fail "$name does not listen after $tries tries"
}

declare -A configs=(["redis-server"]=redis.conf ["nats-server"]=nats.conf [ngircd]=ngircd.conf
    [inspircd]=inspircd.conf [mosquitto]=mosquitto.conf)

# Puts what starts a server into the caller's `command`.
server_command() {
    local config="$folder/${configs[$1]:-}"
    case "$1" in
        chat-server) command=("${ours[@]}" --data "$folder/data" --listen "127.0.0.1:$port") ;;
        chat-server-tls)
            command=("${ours[@]}" --data "$folder/data" --listen 127.0.0.1:0 --listen-tls "127.0.0.1:$port")
            ;;
        redis-server) command=(redis-server "$config") ;;
        nats-server) command=(nats-server --config "$config") ;;
        ngircd) command=(ngircd --nodaemon --config "$config") ;;
        inspircd)
            command=(inspircd --nofork --config "$config")
            [ "$EUID" != 0 ] || command+=(--runasroot)
            ;;
        mosquitto) command=(mosquitto -c "$config") ;;
    esac
}

# By which its clients know the server over TLS.
pin() {
    "$target/release/chat-server" cert show --data "$folder/data" | sed -n 's/^ *pin  *//p'
}

stop_server() {
    if [ -n "$server_pid" ]; then
        kill "$server_pid" 2>/dev/null || true
        for _ in {1..50}; do
            kill -0 "$server_pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$server_pid" 2>/dev/null || true
        wait "$server_pid" 2>/dev/null || true
        server_pid=""
    fi
    [ -z "$folder" ] || rm -rf "$folder"
    folder=""
}

# Below the ports that connections come from, some of which the last run may have left behind.
free_port() {
    python3 -c '
import random, socket
while True:
    port = random.randrange(20000, 32000)
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break'
}

# -- measuring

# Runs a generator, and puts its report into a file. Lines that were lost are in the report, and go into the tables.
measure() {
    local file="$1" status=0
    shift
    timeout 180 taskset -c "$generator_core" "$@" >"$file.part" || status=$?
    [ "$status" = 0 ] || [ "$status" = 7 ] || fail "it ended with $status: $*"
    mv "$file.part" "$file"
}

measure_peers() {
    local scenario round server out words come
    note_subjects peers
    for scenario in "$@"; do
        watch_others
        out="$results/peers/$scenario"
        rm -rf "$out"
        mkdir -p "$out"
        read -ra words <<<"${scenarios[$scenario]}"
        for ((round = 1; round <= rounds; round++)); do
            for server in "${servers[@]}"; do
                echo "compare: $scenario, round $round of $rounds: $server"
                start_server "$server"
                come="${at_once["$server $scenario"]:-${at_once[$server]:-64}}"
                measure "$out/$server.$round.json" "$generator" "${words[0]}" "${protocols[$server]}" \
                    "127.0.0.1:$port" "${words[@]:1}" --at-once "$come" --server-pid "$server_pid"
                stop_server
            done
        done
        note_run "$out" "peers ${words[0]} PROTOCOL ADDRESS ${words[*]:1}"
    done
}

measure_targets() {
    local run round out words server at
    note_subjects targets
    for run in "$@"; do
        watch_others
        out="$results/targets/$run"
        rm -rf "$out"
        mkdir -p "$out"
        read -ra words <<<"${runs[$run]}"
        for ((round = 1; round <= rounds; round++)); do
            echo "compare: $run, round $round of $rounds"
            server=chat-server
            [[ "$run" != *-tls ]] || server=chat-server-tls
            start_server "$server"
            at=("127.0.0.1:$port")
            [ "$server" = chat-server ] || at=("chats://127.0.0.1:$port" --pin "$(pin)")
            measure "$out/chat-server.$round.json" "$target/release/chat-client" bench "${words[0]}" \
                "${at[@]}" "${words[@]:1}" --server-pid "$server_pid" --json --quiet
            stop_server
        done
        note_run "$out" "chat-client bench ${words[*]}"
    done
}

# -- what was measured with what

# Each server's version, and the command that starts it, its configuration by where it is kept.
note_subjects() {
    local section="$1" server folder=scripts/compare port=PORT command
    mkdir -p "$results/$section"
    for server in "${servers[@]}"; do
        [ "$section" = peers ] || [ "$server" = chat-server ] || continue
        server_command "$server"
        printf '%s\t%s\t%s\n' "$server" "$(version "$server")" "${command[*]#"$target/release/"}"
    done >"$results/$section/servers.tsv"
}

version() {
    case "$1" in
        chat-server) "${ours[0]}" --version ;;
        mosquitto) mosquitto -h ;;
        *) "$1" --version ;;
    esac 2>&1 | sed -nE '/[0-9]\.[0-9]/ { s/^[^0-9]*([0-9]+(\.[0-9]+)+).*/\1/p; q }'
}

# What one folder of reports was measured by, on what, when, and whether anybody else was at it.
note_run() {
    local others
    others="$(others)"
    [ "$others" -lt 5 ] || echo "compare: others used $others % of a processor meanwhile: measure again" >&2
    printf '%s\t%s\n' command "$2" rounds "$rounds" date "$(date -u +%F)" machine "$(machine)" commit "$(commit)" \
        others "$others" >"$1/run.tsv"
}

# The commit that was built; a + behind it says that something was changed since.
commit() {
    local hash
    hash="$(git rev-parse --short=12 HEAD 2>/dev/null)" || hash=unknown
    [ -z "$(git status --porcelain -- src proto benches Cargo.toml Cargo.lock 2>/dev/null)" ] || hash+=+
    echo "$hash"
}

# From here on: what the machine's processors do, and what of it is ours.
watch_others() {
    read -r busy_before idle_before < <(processors)
    own_before="$(own_ticks)"
}

# Of one processor, in percent, what neither this script used nor what it started and has waited for.
others() {
    local busy idle own elapsed
    read -r busy idle < <(processors)
    own="$(own_ticks)"
    elapsed=$(((busy + idle - busy_before - idle_before) / $(nproc)))
    own=$((busy - busy_before - (own - own_before)))
    echo $((own > 0 && elapsed > 0 ? 100 * own / elapsed : 0))
}

# Busy and idle ticks of all processors (proc_stat(5)).
processors() {
    local user nice system idle iowait irq softirq steal
    read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
    echo "$((user + nice + system + irq + softirq + steal)) $((idle + iowait))"
}

# Ticks of this script and of its children that have ended (proc_pid_stat(5)).
own_ticks() {
    local fields
    read -ra fields <<<"$(sed 's/.*) //' "/proc/$$/stat")"
    echo $((fields[11] + fields[12] + fields[13] + fields[14]))
}

machine() {
    local processor
    processor="$(sed -nE 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)"
    echo "$(nproc) cores of ${processor:-an unknown processor}, $(uname -s) $(uname -r) ($(uname -m))"
}

main "$@"
