# shellcheck shell=sh
# What the tests of the Ansible collection stand on besides the virtual environment. Sourced by bootstrap.sh.

# Besides the newest Ansible that this machine's Python runs, which is in the virtual environment with the linters, for
# script/test-ansible --all: the oldest that the collection is for, and the newest of all, on a newer Python.
oldest_ansible="ansible-core~=2.16.0"
newest_ansible="ansible-core>=2.21"

# Where that newer Python comes from, and its name there.
newer_debian=trixie
newer_python=python3.13

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
ensure_oldest_ansible() { ensure_venv_of "$cache/ansible-oldest" "$oldest_ansible"; }

# Make `.cache/ansible-newest` with the newest Ansible in it.
ensure_newest_ansible() {
    newest="$cache/ansible-newest"
    wanted_newest="$newest $newest_ansible $(python3 -V)"
    [ "$(cat "$newest/made-for" 2>/dev/null)" = "$wanted_newest" ] && return 0
    if python3 -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
        python_of_newest=python3
    else
        ensure_newer_python
        python_of_newest="$newer/usr/bin/python3"
    fi
    say "Installing $newest_ansible into .cache/ansible-newest"
    rm -rf "$newest"
    "$python_of_newest" -m venv --without-pip "$newest"
    # The pip that came with this machine's Python may be too old to run on a newer one.
    pip_install "$venv" --target "$newest/newer-pip" "pip>=24.1"
    PYTHONPATH="$newest/newer-pip" PIP_CACHE_DIR="$cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$newest/bin/python" -m pip install -q "$newest_ansible" || die "pip could not install: $newest_ansible"
    printf '%s\n' "$wanted_newest" >"$newest/made-for"
}

# Unpack a newer Python than this Debian has into `.cache/newer-python`, with the libraries that it wants.
# Unpacked and not installed: this machine's own libraries stay what they are.
ensure_newer_python() {
    newer="$cache/newer-python"
    [ -x "$newer/usr/bin/python3" ] && return 0
    have apt-get || die "There is no apt-get: use Python 3.12 or newer."
    say "Unpacking $newer_python into .cache/newer-python"
    mirror=$(mirror_of_debian)
    # Without lists apt does not know what its sources are.
    [ -n "$mirror" ] || { as_root apt-get update -q >/dev/null 2>&1 && mirror=$(mirror_of_debian); }
    [ -n "$mirror" ] || die "apt knows no mirror of Debian: use Python 3.12 or newer."
    apt_there="$newer.apt"
    rm -rf "$newer" "$newer.new" "$apt_there"
    mkdir -p "$newer.new" "$apt_there/state/lists/partial" "$apt_there/cache/archives/partial"
    : >"$apt_there/state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $newer_debian main" \
        >"$apt_there/sources.list"
    with_apt "apt could not fetch: $newer_python of $newer_debian" fetch_newer_python
    unpack_debs "$apt_there/cache/archives" "$newer.new"
    rm -rf "$apt_there"
    # It is started with the loader and the libraries that came with it.
    loader=$(cd "$newer.new" && ls usr/lib/*/ld-linux-*.so.*)
    {
        echo '#!/bin/sh'
        echo "exec \"$newer/$loader\" --library-path \"$newer/${loader%/*}\" --argv0 \"\$0\"" \
            "\"$newer/usr/bin/$newer_python\" \"\$@\""
    } >"$newer.new/usr/bin/python3"
    chmod 755 "$newer.new/usr/bin/python3"
    mv "$newer.new" "$newer"
}

fetch_newer_python() {
    apt_of_newer update -q && apt_of_newer install -q -y --no-install-recommends --download-only "$newer_python"
}

# Print where this machine's apt gets Debian from.
mirror_of_debian() {
    # shellcheck disable=SC2016 # the names are apt's
    apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
        sed -n "s/^$(. /etc/os-release && echo "$VERSION_CODENAME") main Debian //p" | head -n 1
}

# apt with the newer Debian's packages instead of this machine's, of which it sees none as installed.
apt_of_newer() {
    apt-get -o "Dir::Etc::sourcelist=$apt_there/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State=$apt_there/state" -o "Dir::State::status=$apt_there/state/status" \
        -o "Dir::Cache=$apt_there/cache" -o APT::Sandbox::User= "$@"
}
