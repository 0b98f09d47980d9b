#!/usr/bin/env bash
# A PostgreSQL to try things on: on 127.0.0.1, new each time, gone with its standard input.
#
#   scripts/postgres.sh PORT
#
# Prints its URL when it takes connections. Then `kill` ends it as a crash would and `start` starts it again; each is
# answered with the word. It needs Debian's package postgresql; root runs it as the user postgres.
set -euo pipefail

port="$1"
bin="$(find /usr/lib/postgresql/*/bin -maxdepth 0 | sort -V | tail -n 1)"
as=()
[ "$EUID" != 0 ] || as=(setpriv --reuid=postgres --regid=postgres --init-groups)
# A folder that postgres may stand in.
cd /
folder="$("${as[@]}" mktemp -d)"

control() {
    "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w "$@" >/dev/null
}
start() {
    control start -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" || {
        cat "$folder/log" >&2
        return 1
    }
}
end() {
    control stop -m immediate || true
    rm -rf "$folder"
}
trap end EXIT

echo secret | "${as[@]}" tee "$folder/password" >/dev/null
"${as[@]}" "$bin/initdb" -D "$folder/data" --no-sync --encoding=UTF8 --locale=C --username=chat \
    --auth=scram-sha-256 --pwfile="$folder/password" >/dev/null
start
echo "postgres://chat:secret@127.0.0.1:$port"

while read -r word; do
    case "$word" in
        kill) control stop -m immediate ;;
        start) start ;;
        *) exit 2 ;;
    esac
    echo "$word"
done
