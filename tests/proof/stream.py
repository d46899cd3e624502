"""Changes in WordPress: random creations, duplications, renames, removals and deletions from a seed.

Each step is a PHP process that uses Ultimate Multisite's functions, so that hooks fire and the shim records the same
events as in production. Changes without a hook use SQL.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.rows import delete_mappings
from tests.support.wordpress import TABLE

if TYPE_CHECKING:
    import random

    from tests.support.wordpress import Multisite

Operation = dict[str, str | int]

_PHP = r"""
foreach (json_decode($args[0], true) as $op) {
    try {
        switch ($op['do']) {
            case 'create':
                $done = wu_create_domain(['domain' => $op['domain'], 'blog_id' => $op['site']]);
                break;
            case 'rename':
                $domain = wu_get_domain_by_domain($op['from']);
                if ($domain) { $domain->set_domain($op['domain']); $done = $domain->save(); }
                break;
            case 'remove':
                $domain = wu_get_domain_by_domain($op['domain']);
                if ($domain) { $done = $domain->delete(); }
                break;
            case 'site':
                $done = wpmu_create_blog($op['domain'], '/', 'A site', 1);
                break;
            case 'duplicate':
                $to = ['domain' => $op['domain'], 'path' => '/', 'email' => $op['email']];
                $done = \WP_Ultimo\Helpers\Site_Duplicator::duplicate_site($op['site'], 'A copy', $to);
                break;
            case 'lose-site':
                $mapping = \WP_Ultimo\Domain_Mapping::get_instance();
                remove_action('wp_delete_site', [$mapping, 'clear_mappings_on_delete']);
                wpmu_delete_blog($op['site'], true);
                add_action('wp_delete_site', [$mapping, 'clear_mappings_on_delete']);
                break;
            case 'delete-site':
                wpmu_delete_blog($op['site'], true);
                break;
        }
    } catch (\Throwable $error) {
        echo 'failed: ', $op['do'], "\n";
    }
}
"""


class Stream:
    """Changes of one network; the same seed gives the same changes."""

    def __init__(self, multisite: Multisite, chance: random.Random) -> None:
        self.multisite = multisite
        self._chance = chance
        self._number = 0
        self.told: dict[str, int] = {}

    def start(self, count: int) -> list[str]:
        """Map the first domains like an old network: three sites with old rows."""
        sites = [self.multisite.create_site(f"first{number}") for number in range(3)]
        names = [self._name() for _ in range(count)]
        self.multisite.add_mappings_sql((name, self._chance.choice(sites)) for name in names)
        return names

    def step(self, *, size: int = 6, sites: bool = True) -> list[Operation]:
        """Make a few changes and return them. No earlier domain returns."""
        here = self.multisite.sql("SELECT blog_id, domain FROM wp_blogs WHERE blog_id > 1 ORDER BY blog_id")
        ids = [int(str(row["blog_id"])) for row in here]
        rows = self.multisite.sql(f"SELECT domain FROM {TABLE} ORDER BY id")
        mapped = [str(row["domain"]) for row in rows if not str(row["domain"]).endswith(self.multisite.main_domain)]
        operations = [self._one(ids, mapped) for _ in range(size)]
        if sites and ids:
            operations.append(self._of_sites(ids))
        self.tell(operations)
        return operations

    def tell(self, operations: list[Operation]) -> None:
        """Make these changes in one process and count them."""
        for operation in operations:
            self.told[str(operation["do"])] = self.told.get(str(operation["do"]), 0) + 1
        self.multisite.php(_PHP, json.dumps(operations))

    def mapped(self, count: int) -> list[str]:
        """Map new domains to the main site and return them."""
        names = [self._name() for _ in range(count)]
        self.tell([{"do": "create", "domain": name, "site": 1} for name in names])
        return names

    def moved(self, count: int) -> list[str]:
        """Move some domains from their sites to the main site and return them."""
        rows = self.multisite.sql(f"SELECT domain FROM {TABLE} WHERE blog_id > 1 ORDER BY id")
        mapped = [str(row["domain"]) for row in rows if not str(row["domain"]).endswith(self.multisite.main_domain)]
        names = self._chance.sample(mapped, min(count, len(mapped)))
        operations: list[Operation] = []
        for name in names:
            operations += [{"do": "remove", "domain": name}, {"do": "create", "domain": name, "site": 1}]
        self.tell(operations)
        return names

    def site_goes(self) -> None:
        """Delete the site with the most mappings and keep the rows, as while domain mapping does not run."""
        rows = self.multisite.sql(
            f"SELECT blog_id FROM {TABLE} WHERE blog_id IN (SELECT blog_id FROM wp_blogs WHERE blog_id > 1) "
            "GROUP BY blog_id ORDER BY COUNT(*) DESC LIMIT 1"
        )
        self.tell([{"do": "lose-site", "site": int(str(row["blog_id"]))} for row in rows])

    def silent(self, count: int = 1) -> list[str]:
        """Delete mappings by SQL, so that no hook fires; return their domains."""
        rows = self.multisite.sql(f"SELECT domain FROM {TABLE} ORDER BY id")
        names = self._chance.sample([str(row["domain"]) for row in rows], count)
        delete_mappings(self.multisite, names)
        self.told["removed by SQL"] = self.told.get("removed by SQL", 0) + count
        return names

    def _one(self, sites: list[int], mapped: list[str]) -> Operation:
        kind = self._chance.choices(("create", "rename", "remove"), weights=(5, 2, 2))[0]
        if kind == "create" or not mapped:
            return {"do": "create", "domain": self._name(), "site": self._chance.choice([1, *sites])}
        name = mapped.pop(self._chance.randrange(len(mapped)))
        return {"do": "remove", "domain": name} if kind == "remove" else {
            "do": "rename", "from": name, "domain": self._name()
        }  # fmt: skip

    def _of_sites(self, sites: list[int]) -> Operation:
        self._number += 1
        domain = f"site{self._number}.{self.multisite.main_domain}"
        kind = self._chance.choices(("site", "duplicate", "delete-site"), weights=(2, 2, 1 if len(sites) > 3 else 0))[0]
        site = self._chance.choice(sites)
        if kind == "site":
            return {"do": "site", "domain": domain}
        if kind == "delete-site":
            return {"do": "delete-site", "site": site}
        return {"do": "duplicate", "domain": domain, "site": site, "email": f"admin@{self.multisite.main_domain}"}

    def _name(self) -> str:
        """Return an unused domain: most with their own registered domain, some in a zone that the DNS servers serve."""
        self._number += 1
        if self._chance.random() < 0.1:
            return f"shop{self._number}.example.{self._chance.choice(('org', 'com'))}"
        return (
            f"shop{self._number}.customer{self._chance.randrange(100_000)}.{self._chance.choice(('de', 'com', 'io'))}"
        )
