"""Real WordPress networks with Ultimate Multisite (or the mock plugin), and functions that control them.

A template is built once per test session (about three seconds) and copied for each test (some milliseconds). The copy
links to WordPress core and has its own `wp-config.php`, `wp-content` and database.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.databases import Database, Row, SqliteDatabase
from tests.support.parts import Parts, is_mock_plugin, plugin_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MAIN_DOMAIN = "example.net"
TABLE = "wp_wu_domain_mappings"
KEYS = ("AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE")
END_OF_CONFIG = "/* That's all, stop editing! */"
Process = subprocess.CompletedProcess[str]


class WpError(AssertionError):
    """An unexpected failure of `wp`; the message has its whole output."""


# Variables of PHP that make it faster: more folders with settings, see `keep_compiled`, and large memory pages.
PHP_SETTINGS, LARGE_PAGES = "PHP_INI_SCAN_DIR", "USE_ZEND_ALLOC_HUGE_PAGES"


def keep_compiled(folder: Path) -> None:
    """Let every PHP process of the tests cache compiled code in `folder`: a call of `wp` takes a quarter of the time.

    PHP compiles a file again after its modification time changes. It caches a file only two seconds after the last
    change: see PHP's `opcache.file_update_protection`.
    """
    (folder / "compiled").mkdir(parents=True, exist_ok=True)
    settings = {
        "enable_cli": 1,
        "file_cache": folder / "compiled",
        "file_cache_only": 1,
        "file_cache_consistency_checks": 0,
    }
    text = "".join(f"opcache.{name}={value}\n" for name, value in settings.items())
    (folder / "opcache.ini").write_text(text)
    # The empty entry before the colon is PHP's own folder.
    os.environ[PHP_SETTINGS] = f":{folder}"
    os.environ[LARGE_PAGES] = "1"


@dataclass(frozen=True)
class Multisite:
    """A WordPress network of a test. `path` is its document root, `home` an empty home folder for `wp`."""

    path: Path
    home: Path
    parts: Parts
    database: Database
    main_domain: str = MAIN_DOMAIN

    @property
    def wp_command(self) -> list[str]:
        """The start of each WP-CLI command line, without `--path` and `--allow-root`."""
        return [self.parts.php, str(self.parts.wp_cli)]

    @property
    def env(self) -> dict[str, str]:
        """An environment that isolates `wp` from the developer's own configuration and network."""
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.home),
            "WP_CLI_CACHE_DIR": str(self.home / "cache"),
            "WP_CLI_PACKAGES_DIR": str(self.home / "packages"),
            "WP_CLI_DISABLE_AUTO_CHECK_UPDATE": "1",
            **{name: os.environ[name] for name in (PHP_SETTINGS, LARGE_PAGES) if name in os.environ},
        }

    def wp(self, *args: str, check: bool = True, stdin: str = "", env: Mapping[str, str] | None = None) -> Process:
        """Run `wp` on this network. Raises `WpError` for a non-zero exit code unless `check` is false."""
        argv = [*self.wp_command, f"--path={self.path}", "--allow-root", *args]
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env=self.env | dict(env or {}),
            cwd=self.home,
        )
        if check and done.returncode:
            raise WpError(f"wp {' '.join(args)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def php(self, code: str, *args: str) -> str:
        """Run PHP inside WordPress (`$args` has the arguments) and return its output."""
        return self.wp("eval-file", "-", *args, stdin=f"<?php\n{code}\n").stdout

    def php_json(self, expression: str, *args: str) -> Any:  # noqa: ANN401 - any PHP value
        """Evaluate one PHP expression inside WordPress and return its value."""
        marked = self.php(f'$value = {expression};\necho "\\n<<<", json_encode($value), ">>>\\n";', *args)
        found = re.search(r"<<<(.*)>>>", marked, re.DOTALL)
        if found is None:
            raise WpError(f"No value came out of WordPress:\n{marked}")
        return json.loads(found.group(1))

    def sql(self, script: str) -> list[Row]:
        """Run SQL directly on the database; statements end with `;` and a newline, all values are text."""
        return self.database.sql(script)

    # Sites and mappings

    def create_site(self, slug: str) -> int:
        """Create the site `slug.<main domain>` as an administrator would, and return its `blog_id`."""
        return int(self.wp("site", "create", f"--slug={slug}", "--porcelain").stdout.split()[-1])

    def add_site_sql(self, blog_id: int, domain: str) -> None:
        """Write a site directly to its table, without hooks and without a domain record."""
        values = f"{blog_id}, 1, '{_escape(domain)}', '/'"
        self.sql(f"INSERT INTO wp_blogs (blog_id, site_id, domain, path) VALUES ({values})")

    def duplicate_site(self, source: int, domain: str) -> int:
        """Copy a site to a domain as Ultimate Multisite does, and return the copy's `blog_id`."""
        options = {"domain": domain, "path": "/", "email": f"admin@{self.main_domain}"}
        arguments = "(int) $args[0], 'Copy', json_decode($args[1], true)"
        call = rf"\WP_Ultimo\Helpers\Site_Duplicator::duplicate_site({arguments})"
        return int(self.php_json(call, str(source), json.dumps(options)))

    def delete_site(self, blog_id: int) -> None:
        """Delete a site; Ultimate Multisite deletes its mappings one by one."""
        self.wp("site", "delete", str(blog_id), "--yes")

    def add_mapping(self, domain: str, blog_id: int, **fields: str | int | bool) -> int:
        """Map a domain with `wu_create_domain`, including all hooks and jobs, and return the row's ID."""
        data = json.dumps({"domain": domain, "blog_id": blog_id, **fields})
        code = """
            $domain = wu_create_domain(json_decode($args[0], true));
            if (is_wp_error($domain)) { WP_CLI::error($domain->get_error_message()); }
            echo "\\nid=", $domain->get_id(), "\\n";"""
        return int(self.php(code, data).rsplit("id=", 1)[1])

    def add_mappings_sql(self, pairs: Iterable[tuple[str, int]], stage: str = "done") -> None:
        """Write many mappings directly to the table, without validation, hooks and jobs."""
        rows = [
            f"({blog_id}, '{_escape(domain)}', 1, 0, 0, '{_escape(stage)}',"
            " '2024-01-01 00:00:00', '2024-01-01 00:00:00')"
            for domain, blog_id in pairs
        ]
        columns = "blog_id, domain, active, primary_domain, secure, stage, date_created, date_modified"
        statements = [
            f"INSERT INTO {TABLE} ({columns}) VALUES {','.join(rows[start : start + 500])}"
            for start in range(0, len(rows), 500)
        ]
        if statements:
            self.sql(";\n".join(["BEGIN", *statements, "COMMIT"]) + ";\n")

    def rename_mapping(self, old: str, new: str) -> None:
        """Change the domain of a mapping with the plugin's model."""
        self._change_mapping(old, "$domain->set_domain($args[1]); $result = $domain->save();", new)

    def set_stage(self, domain: str, stage: str) -> None:
        """Change the stage of a mapping with the plugin's model."""
        self._change_mapping(domain, "$domain->set_stage($args[1]); $result = $domain->save();", stage)

    def delete_mapping(self, domain: str) -> None:
        """Delete a mapping with the plugin's model, including all hooks and jobs."""
        self._change_mapping(domain, "$result = $domain->delete();")

    def _change_mapping(self, domain: str, change: str, *args: str) -> None:
        code = f"""
            $domain = wu_get_domain_by_domain($args[0]);
            if (! $domain) {{ WP_CLI::error('There is no such mapping.'); }}
            {change}
            if (is_wp_error($result)) {{ WP_CLI::error($result->get_error_message()); }}"""
        self.php(code, domain, *args)

    def mappings(self) -> list[Row]:
        """Return all rows of the mappings table, oldest first."""
        return self.sql(f"SELECT * FROM {TABLE} ORDER BY id")

    def domains(self) -> list[str]:
        """Return the domains of all rows, sorted."""
        return sorted(str(row["domain"]) for row in self.mappings())

    def serves_mapped_domains(self) -> bool:
        """Return whether the flag that Ultimate Multisite's `sunrise.php` reads is set."""
        sql = "SELECT meta_value FROM wp_sitemeta WHERE meta_key = 'wu_sunrise_meta'"
        return '"active";b:1' in str(self.sql(sql))

    # Settings

    def set_network_option(self, name: str, value: object) -> None:
        """Store a network option; lists and dictionaries become PHP arrays."""
        self.php("update_network_option(null, $args[0], json_decode($args[1], true));", name, json.dumps(value))

    def network_option(self, name: str) -> Any:  # noqa: ANN401 - any PHP value
        """Return a network option, or `None` if it is missing."""
        return self.php_json("get_network_option(null, $args[0], null)", name)

    def set_setting(self, key: str, value: object) -> None:
        """Save one of Ultimate Multisite's settings."""
        self.php("wu_save_setting($args[0], json_decode($args[1], true));", key, json.dumps(value))

    def enable_closte(self, *, enabled: bool = True, api_key: str | None = "test-key") -> None:
        """Enable or disable the Closte integration; the key is defined as on Closte's own hosts."""
        self.set_network_option("wu_host_integrations_enabled", {"closte": enabled})
        if api_key is not None:
            self.define("CLOSTE_CLIENT_API_KEY", api_key)

    def define(self, name: str, value: str | int | bool) -> None:
        """Define a constant in `wp-config.php`, and replace an earlier definition."""
        config = self.path / "wp-config.php"
        line = f"define( '{name}', {php_literal(value)} );\n"
        text = re.sub(rf"^define\( '{name}', .*\n", "", config.read_text(), flags=re.MULTILINE)
        config.write_text(text.replace(END_OF_CONFIG, line + END_OF_CONFIG))

    def undefine(self, *names: str) -> None:
        """Remove the definitions of constants from `wp-config.php`."""
        config = self.path / "wp-config.php"
        config.write_text(re.sub(rf"^define\( '({'|'.join(names)})', .*\n", "", config.read_text(), flags=re.MULTILINE))

    def add_mu_plugin(self, name: str, code: str) -> Path:
        """Write a must-use plugin (`code` has no opening tag) and return its path."""
        folder = self.path / "wp-content" / "mu-plugins"
        folder.mkdir(exist_ok=True)
        plugin = folder / f"{name}.php"
        plugin.write_text(f"<?php\n{code}\n")
        return plugin

    # Scheduled jobs of Ultimate Multisite

    def jobs(self, hook: str | None = None) -> list[tuple[str, dict[str, Any]]]:
        """Return the pending jobs, oldest first: (hook, arguments)."""
        arguments = "['status' => 'pending', 'per_page' => -1, 'group' => 'domain']"
        listing = f"array_values(wu_get_scheduled_actions({arguments}))"
        pairs = self.php_json(f"array_map(fn($job) => [$job->get_hook(), $job->get_args()], {listing})")
        found = [(str(name), dict(args)) for name, args in pairs]
        return [job for job in found if hook in {None, job[0]}]

    def run_jobs(self) -> None:
        """Run the jobs that are due."""
        self.wp("action-scheduler", "run")


def php_literal(value: str | int | bool) -> str:
    """Return a Python value as PHP source."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "''")


# Building


def build_template(path: Path, parts: Parts, database: Database, main_domain: str = MAIN_DOMAIN) -> Multisite:
    """Install a network with Ultimate Multisite, set up as its wizard does, in the new folder `path`.

    The wizard saves `enable_domain_mapping`: before all plugins, when domain mapping starts, its default is unknown.
    """
    _lay_out(path, parts, database)
    multisite = Multisite(path, _new_home(path), parts, database, main_domain)
    multisite.wp(
        "core", "multisite-install", "--subdomains", "--skip-email", "--skip-config",
        f"--url={main_domain}", "--title=Test network",
        "--admin_user=admin", f"--admin_email=admin@{main_domain}", "--admin_password=admin",
    )  # fmt: skip
    _write_config(path, database, main_domain)
    multisite.define("SUNRISE", value=True)
    shutil.copy(plugin_folder() / "sunrise.php", path / "wp-content" / "sunrise.php")
    multisite.wp("plugin", "activate", "ultimate-multisite", "--network")
    multisite.php(
        r"""
        \WP_Ultimo\Loaders\Table_Loader::get_instance();
        \WP_Ultimo\Installers\Core_Installer::get_instance()->_install_database_tables();
        wu_save_setting('enable_domain_mapping', true);
        update_network_option(null, 'wu_setup_finished', time());"""
    )
    return multisite


def copy_multisite(template: Multisite, path: Path, database: Database) -> Multisite:
    """Copy a network to the new folder `path`; `database` is the database of the copy, which may not exist yet."""
    shutil.copytree(template.path, path, symlinks=True)
    copy = Multisite(path, _new_home(path), template.parts, database, template.main_domain)
    for name, value in database.constants.items():
        copy.define(name, value)
    return copy


def sqlite_database(path: Path) -> SqliteDatabase:
    """Return the database of the network in the folder `path`, with the SQLite driver's file name."""
    return SqliteDatabase(path / "wp-content" / "database" / ".ht.sqlite")


def _lay_out(path: Path, parts: Parts, database: Database) -> None:
    """Create the document root: links to WordPress core, and a separate `wp-content`."""
    content = path / "wp-content"
    for folder in (content / "plugins", content / "themes", content / "mu-plugins"):
        folder.mkdir(parents=True)
    for name in ("wp-admin", "wp-includes"):
        (path / name).symlink_to(parts.wordpress / name)
    # Copies, not links: several of these files expect `wp-config.php` in their own folder.
    for source in parts.wordpress.glob("*.php"):
        shutil.copy(source, path / source.name)
    theme = "twentytwentyfive"
    (content / "themes" / theme).symlink_to(parts.wordpress / "wp-content" / "themes" / theme)
    plugin = content / "plugins" / "ultimate-multisite"
    if is_mock_plugin():
        shutil.copytree(plugin_folder(), plugin)
    else:
        plugin.symlink_to(plugin_folder())
    if isinstance(database, SqliteDatabase):
        driver = (parts.sqlite_driver / "db.copy").read_text()
        driver = driver.replace("{SQLITE_IMPLEMENTATION_FOLDER_PATH}", str(parts.sqlite_driver))
        (content / "db.php").write_text(driver)
    _write_config(path, database, None)


def _write_config(path: Path, database: Database, main_domain: str | None) -> None:
    """Write `wp-config.php`; `main_domain` is `None` until the network is installed."""
    constants: dict[str, str | int | bool] = {
        **database.constants,
        "DB_CHARSET": "utf8mb4",
        "DB_COLLATE": "",
        **{f"{key}_{kind}": f"{key}-{kind}-of-a-test" for key in KEYS for kind in ("KEY", "SALT")},
        # No request leaves the machine, and no job starts automatically.
        "WP_HTTP_BLOCK_EXTERNAL": True,
        "WP_ACCESSIBLE_HOSTS": "127.0.0.1,localhost",
        "DISABLE_WP_CRON": True,
        "AUTOMATIC_UPDATER_DISABLED": True,
    }
    if main_domain is not None:
        constants |= {
            "WP_ALLOW_MULTISITE": True,
            "MULTISITE": True,
            "SUBDOMAIN_INSTALL": True,
            "DOMAIN_CURRENT_SITE": main_domain,
            "PATH_CURRENT_SITE": "/",
            "SITE_ID_CURRENT_SITE": 1,
            "BLOG_ID_CURRENT_SITE": 1,
        }
    lines = [f"define( '{name}', {php_literal(value)} );" for name, value in constants.items()]
    text = "\n".join(
        [
            "<?php",
            "$table_prefix = 'wp_';",
            *lines,
            END_OF_CONFIG,
            "if ( ! defined( 'ABSPATH' ) ) { define( 'ABSPATH', __DIR__ . '/' ); }",
            "require_once ABSPATH . 'wp-settings.php';",
            "",
        ]
    )
    (path / "wp-config.php").write_text(text)


def _new_home(path: Path) -> Path:
    home = path.with_name(path.name + "-home")
    home.mkdir()
    return home
