"""Network with three mapped domains, and the expected output before any change."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.bridge import Bridge, bridge_for
from tests.support.rows import set_option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.wordpress import Multisite

COST = "Cost: {wp} (0.00 s), {api} (0.00 s), planning 0.000 s.\n"
ONE, TWO = (COST.format(wp="1 wp call", api=api) for api in ("1 API call", "2 API calls"))
NOTES = """\
  ~+ www.a.customer.org     on hold: waiting for DNS to point to the same address as "a.customer.org"
  ~+ www.b.customer.org     on hold: waiting for DNS to point to the same address as "b.customer.org"
  ~+ www.shop.customer.com  on hold: waiting for DNS to point to the same address as "shop.customer.com"
  ?  stranger.example.org   unmanaged: not used in this network; not touched
"""
PLAN = f"""\
Network "example.net": 2 to add, 0 to remove, 1 in sync, 3 on hold, 1 unmanaged.
  +  b.customer.org         mapped to site 1
  +  shop.customer.com      mapped to site 1
{NOTES}"""
OFFER = """\
Network "example.net": 3 mapped domains, WordPress in <site>/.
Closte application: 3 domains, API key from the file "<folder>/key".
State folder: <folder>/state.
1 existing domain on Closte will become managed: a.customer.org.
1 domain stays unmanaged: stranger.example.org.
"""


@contextmanager
def three_mapped(multisite: Multisite, folder: Path) -> Iterator[Bridge]:
    """Provide an installation for three mapped domains, one of them on Closte, and an unmanaged domain."""
    set_option(multisite, "wu_host_integrations_enabled", {"closte": True})
    multisite.add_mappings_sql([(name, 1) for name in ("a.customer.org", "b.customer.org", "shop.customer.com")])
    with bridge_for(multisite, folder / "bridge") as bridge:
        bridge.sandbox.aliases = {"a.customer.org", "stranger.example.org"}
        yield bridge
