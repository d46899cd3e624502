# shellcheck shell=sh
# What the tests of the Ansible collection stand on besides the virtual environment. Sourced after bootstrap.sh.

# Get what the engine depends on as wheels into `.cache/wheels`: the machines of the tests have no network.
ensure_wheels() {
    wheels="$cache/wheels"
    wanted_wheels="$(python3 -V) $(cksum <"$root/pyproject.toml")"
    [ "$(cat "$wheels/made-for" 2>/dev/null)" = "$wanted_wheels" ] && return 0
    say "Getting the engine's dependencies as wheels"
    rm -rf "$wheels"
    mkdir -p "$wheels"
    PIP_CACHE_DIR="$cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip wheel -q -w "$wheels" "$root" ||
        die "pip could not get the engine's dependencies as wheels."
    # The engine itself is built anew by each test session.
    rm -f "$wheels"/closte_bridge-*
    printf '%s\n' "$wanted_wheels" >"$wheels/made-for"
}
