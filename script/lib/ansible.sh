# shellcheck shell=sh
# Additional tools of the tests of the Ansible collection. Sourced by bootstrap.sh.

# The oldest supported Ansible and the newest one, on a newer Python, for script/test-ansible --all. The virtual environment has
# the newest Ansible for this machine's Python.
oldest_ansible="ansible-core~=2.16.0"
newest_ansible="ansible-core>=2.21"

# The Debian release with the newer Python, and its package.
newer_debian=trixie
newer_python=python3.13

# Build wheels of all dependencies in `.cache/wheels`: the test machines have no network.
ensure_wheels() {
    wheels="$cache/wheels"
    wanted_wheels="$(python3 -V) $(cksum <"$root/pyproject.toml")"
    [ "$(cat "$wheels/made-for" 2>/dev/null)" = "$wanted_wheels" ] && return 0
    say "Building wheels of the dependencies"
    rm -rf "$wheels"
    mkdir -p "$wheels"
    # With hatchling, which builds the package if it is installed from a checkout.
    PIP_CACHE_DIR="$cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$venv/bin/python" -m pip wheel -q -w "$wheels" "$root" "hatchling>=1.27" ||
        die "pip could not build wheels of the dependencies."
    # Each test session builds the package itself.
    rm -f "$wheels"/closte_bridge-*
    printf '%s\n' "$wanted_wheels" >"$wheels/made-for"
}

# Create `.cache/ansible-oldest` with the oldest supported Ansible.
ensure_oldest_ansible() { ensure_venv_of "$cache/ansible-oldest" "$oldest_ansible"; }

# Create `.cache/ansible-newest` with the newest Ansible.
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
    # The pip of this machine's Python may be too old for a newer Python.
    pip_install "$venv" --target "$newest/newer-pip" "pip>=24.1"
    PYTHONPATH="$newest/newer-pip" PIP_CACHE_DIR="$cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$newest/bin/python" -m pip install -q "$newest_ansible" || die "pip could not install: $newest_ansible"
    printf '%s\n' "$wanted_newest" >"$newest/made-for"
}

# Unpack a newer Python than this Debian has to `.cache/newer-python`, with its libraries.
# Not installed, because it would replace libraries of the machine.
ensure_newer_python() {
    newer="$cache/newer-python"
    [ -x "$newer/usr/bin/python3" ] && return 0
    have apt-get || die "apt-get was not found. Use Python 3.12 or later."
    say "Unpacking $newer_python into .cache/newer-python"
    mirror=$(mirror_of_debian)
    # Without package lists, apt does not print its sources.
    [ -n "$mirror" ] || { as_root apt-get update -q >/dev/null 2>&1 && mirror=$(mirror_of_debian); }
    [ -n "$mirror" ] || die "apt has no mirror of Debian. Use Python 3.12 or later."
    apt_folder="$newer.apt"
    rm -rf "$newer" "$newer.new" "$apt_folder"
    mkdir -p "$newer.new" "$apt_folder/state/lists/partial" "$apt_folder/cache/archives/partial"
    : >"$apt_folder/state/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $newer_debian main" \
        >"$apt_folder/sources.list"
    with_apt "apt could not fetch: $newer_python of $newer_debian" fetch_newer_python
    unpack_debs "$apt_folder/cache/archives" "$newer.new"
    rm -rf "$apt_folder"
    # Start it with its own loader and libraries.
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

# Print the Debian mirror of this machine's apt.
mirror_of_debian() {
    # shellcheck disable=SC2016 # the names are apt's
    apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
        sed -n "s/^$(. /etc/os-release && echo "$VERSION_CODENAME") main Debian //p" | head -n 1
}

# Run apt with the packages of the newer Debian, as if none were installed.
apt_of_newer() {
    apt-get -o "Dir::Etc::sourcelist=$apt_folder/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State=$apt_folder/state" -o "Dir::State::status=$apt_folder/state/status" \
        -o "Dir::Cache=$apt_folder/cache" -o APT::Sandbox::User= "$@"
}
