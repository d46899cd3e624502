"""Rows of a network's database, written without WordPress."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.wordpress import Multisite

EVENTS = "wp_closte_bridge_events"


def create_events_table(multisite: Multisite) -> None:
    """Create `{base_prefix}closte_bridge_events` as WordPress would."""
    columns = (
        "id bigint(20) unsigned NOT NULL AUTO_INCREMENT, network_id bigint(20) NOT NULL, uid varchar(32) NOT NULL,"
        " created_at bigint(20) NOT NULL, kind varchar(32) NOT NULL, blog_id bigint(20) NOT NULL,"
        " domain varchar(255) NOT NULL, detail text NOT NULL, PRIMARY KEY (id)"
    )
    multisite.php(f'global $wpdb; $wpdb->query("CREATE TABLE {EVENTS} ({columns})");')


def add_event(
    multisite: Multisite,
    kind: str,
    domain: str = "",
    *,
    detail: object = "",
    blog_id: int = 1,
    network_id: int = 1,
    uid: str | None = None,
) -> str:
    """Write one event row; `detail` becomes JSON unless it is already text. Returns the row's uid."""
    uid = os.urandom(16).hex() if uid is None else uid
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False)
    values = [str(network_id), quoted(uid), str(int(time.time())), quoted(kind), str(blog_id)]
    values += [quoted(domain), quoted(text)]
    multisite.sql(
        f"INSERT INTO {EVENTS} (network_id, uid, created_at, kind, blog_id, domain, detail)"
        f" VALUES ({', '.join(values)})"
    )
    return uid


def delete_mappings(multisite: Multisite, domains: Sequence[str]) -> None:
    """Remove mappings from the table without a hook, as a plugin or a database administrator can."""
    names = ", ".join(quoted(domain) for domain in domains)
    multisite.sql(f"DELETE FROM wp_wu_domain_mappings WHERE domain IN ({names})")


def quoted(text: str) -> str:
    """Quote text for the SQL of both kinds of database; they differ in backslashes."""
    assert "\\" not in text
    return "'" + text.replace("'", "''") + "'"


def serialised(value: object) -> str:
    """Return a value in the format of PHP's `serialize`."""
    match value:
        case None:
            return "N;"
        case bool():
            return f"b:{int(value)};"
        case int():
            return f"i:{value};"
        case float():
            return f"d:{value!r};"
        case list():
            return serialised(dict(enumerate(value)))
        case dict():
            items = "".join(serialised(key) + serialised(item) for key, item in value.items())
            return f"a:{len(value)}:{{{items}}}"
    text = str(value)
    return f's:{len(text.encode())}:"{text}";'


def set_option(multisite: Multisite, name: str, value: object, network_id: int = 1) -> None:
    """Write a network option directly to its table; None removes it."""
    where = f"site_id = {network_id} AND meta_key = {quoted(name)}"
    multisite.sql(f"DELETE FROM wp_sitemeta WHERE {where}")
    if value is not None:
        stored = quoted(value if isinstance(value, str) else serialised(value))
        columns = "site_id, meta_key, meta_value"
        multisite.sql(f"INSERT INTO wp_sitemeta ({columns}) VALUES ({network_id}, {quoted(name)}, {stored})")


def switch_on(multisite: Multisite, **settings: object) -> None:
    """Enable the integration with Ultimate Multisite's `settings`; by default, without `www.` forms."""
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True})
    set_settings(multisite, **{"auto_create_www_subdomain": "never", **settings})


def set_settings(multisite: Multisite, **settings: object) -> None:
    """Save Ultimate Multisite's settings: these, and domain mapping as its wizard saves it."""
    set_option(multisite, "wp-ultimo_v2_settings", {"enable_domain_mapping": True, **settings})
