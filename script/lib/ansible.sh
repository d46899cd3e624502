# shellcheck shell=sh
# What the tests of the Ansible collection stand on besides the virtual environment. Sourced by bootstrap.sh.

# The oldest Ansible that the collection is for: see its meta/runtime.yml. The newest is in the virtual environment.
oldest_ansible="ansible-core~=2.16.0"

# Get what the engine depends on as wheels into `.cache/wheels`: the machines of the tests have no network.
ensure_wheels() {
    wheels="$cache/wheels"
    wanted_wheels="$(python3 -V) $(cksum <"$root/pyproject.toml")"
    [ "$(cat "$wheels/made-for" 2>/dev/null)" = "$wanted_wheels" ] && return 0
    say "Getting the engine's dependencies as wheels"
    rm -rf "$wheels"
    mkdir -p "$wheels"
    # With hatchling, which builds the engine where it is installed from a checkout.
    PIP_CACHE_DIR="$cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$venv/bin/python" -m pip wheel -q -w "$wheels" "$root" "hatchling>=1.27" ||
        die "pip could not get the engine's dependencies as wheels."
    # The engine itself is built anew by each test session.
    rm -f "$wheels"/closte_bridge-*
    printf '%s\n' "$wanted_wheels" >"$wheels/made-for"
}

# Make `.cache/ansible-oldest` with the oldest Ansible in it.
ensure_oldest_ansible() {
    oldest="$cache/ansible-oldest"
    wanted_oldest="$oldest $oldest_ansible $(python3 -V)"
    [ "$(cat "$oldest/made-for" 2>/dev/null)" = "$wanted_oldest" ] && return 0
    say "Installing $oldest_ansible into .cache/ansible-oldest"
    rm -rf "$oldest"
    python3 -m venv "$oldest"
    pip_install "$oldest" "$oldest_ansible"
    printf '%s\n' "$wanted_oldest" >"$oldest/made-for"
}
