"""Tests of every `domain explain` message, each with a real cause."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest

from closte_bridge.engine.inventory import _STEPS
from tests.support.bridge import AT_ONCE
from tests.support.ledgers import opened
from tests.support.life import HERE, HOUR, STRANGER
from tests.support.rows import delete_mappings, set_option, set_settings
from tests.support.tls_world import silent

if TYPE_CHECKING:
    from tests.support.life import Life

pytestmark = pytest.mark.real

SITE = 2
DEFAULT = "still serves the host's default certificate (default.host.example)."
SHOP = "shop.example.org"
AGAIN = "Closte has not added it yet. The next try is at <time>. Retry now with `closte-bridge sync --retry`."

# The next step that `domain explain` shows, by state or reason.
STEPS = {
    "in-sync": "Nothing to do. The domain is in sync.",
    "to-add": "Nothing to do. The next sync adds it.",
    "to-remove": "Nothing to do. The next sync removes it.",
    "needs-approval": "Run `closte-bridge plan` to review and approve the removal.",
    "unmanaged": "If this domain is not needed, remove it in Closte's dashboard. closte-bridge does not manage it.",
    "unknown": "Unknown: Closte's list could not be read completely. Run `closte-bridge integration test`.",
    "gone": "Nothing to do. The next sync removes it from the ledger.",
    "own": "Nothing to do. It is the network's main domain.",
    "kept": "To add it to Closte, run `closte-bridge domain add`. The `keep` setting only prevents removal.",
    "conflict": "Several sites use this domain. Delete the mapping from all sites but one.",
    "not-public": "Use a public domain name. No certificate can be issued for this one.",
    "site-gone": "Delete the mapping with `closte-bridge domain prune`. Its site no longer exists.",
    "certificate-budget": (
        "Enable a wildcard in the config, or wait: the weekly certificate limit frees up within 7 days."
    ),
    "exists-elsewhere": "Ask Closte's support to release it from the other application.",
    "refused": "Check the spelling. Closte rejected this domain as invalid.",
    "by-command-only": "If you no longer need it, run `closte-bridge domain remove`.",
    "www-unproven": "Point {name} to the same address as {base}.",
    "other-network": "Nothing to do here. Its site belongs to another network with its own closte-bridge.",
    "released": "Unknown: it was released, and Closte's list is incomplete. Run `closte-bridge integration test`.",
    "covered": "Nothing to do. A wildcard covers it.",
    "protected": "Nothing to do. It is never removed.",
    "waiting": "Nothing to do. A sync removes it after the delay, unless something uses it again.",
    "snapshot-partial": "WordPress could not be read completely. Run `closte-bridge doctor` to see why.",
    "list-not-complete": "Closte's list could not be read completely. Run `closte-bridge plan` to see why.",
    "wildcard-covers": (
        "Wait for the next sync to add the dependent domain. If it does not, run `closte-bridge domain add` to pin it."
    ),
    "mentioned": "Nothing to do. It stays while something uses it.",
}


def explained(world: Life, name: str) -> dict[str, Any]:
    """Return the data that `domain explain` shows for a domain."""
    ran = world.run("domain", "explain", name, "--format=json")
    assert ran.code in {0, 5}, ran
    data = ran.envelope["data"]
    assert isinstance(data, dict)
    return data


def test_tested_steps_match_the_program() -> None:
    assert STEPS == _STEPS


def make_every_state(world: Life) -> None:
    """Create a domain for each state."""
    multisite = world.bridge.multisite
    world.bridge.write_config(wildcards=["*.wild.example.com"], certificate_budget=6)
    world.bridge.adopt()
    right = [SHOP, *(f"c{i}.example.com" for i in range(1, 7))]
    world.names.point(**dict.fromkeys([*right, "new.example.org"], HERE))
    world.certificates.issue(*right, "new.example.org")
    multisite.add_mappings_sql([(name, SITE) for name in right])
    # The advice for a domain that Closte failed to add does not mention DNS.
    world.names.point(**{"failing.example.org": STRANGER})
    multisite.add_mappings_sql(
        [
            ("failing.example.org", SITE),
            ("lost.example.org", 77),
            ("both.example.org", 1),
            ("both.example.org", SITE),
            ("orphan.example.org", 77),
        ]
    )
    multisite.add_mappings_sql([("intranet.local", SITE), ("shop.closte.com", SITE)])
    world.bridge.sandbox.aliases = world.bridge.sandbox.aliases | {"stranger.example.org", "lost.example.org"}
    world.bridge.sandbox.set_faults("error500@failing.example.org")
    world.run("sync")
    world.bridge.sandbox.set_faults()
    multisite.add_mappings_sql([("new.example.org", SITE)])
    world.bridge.write_config(wildcards=None)


def not_issued(name: str) -> str:
    """Return the next step for a domain whose certificate Closte has not issued yet."""
    return f"Please wait. The certificate for {name} has not been issued yet. {HERE} {DEFAULT}"


def test_every_state_has_its_reason_and_its_next_step(world: Life) -> None:
    make_every_state(world)
    found = {
        name: explained(world, name)
        for name in (
            *(SHOP, "new.example.org", "both.example.org", "orphan.example.org", "intranet.local", "shop.closte.com"),
            *("lost.example.org", "example.net"),
            *("failing.example.org", "stranger.example.org", "*.wild.example.com", "c6.example.com"),
        )
    }
    said = {name: (data["state"], data["phase"], data["next_step"]) for name, data in found.items()}
    assert said == {
        SHOP: ("in-sync", "live", STEPS["in-sync"]),
        "new.example.org": ("to-add", "wanted", STEPS["to-add"]),
        "both.example.org": ("on-hold", "blocked", STEPS["conflict"]),
        "orphan.example.org": ("orphaned", "blocked", STEPS["site-gone"]),
        "lost.example.org": ("orphaned", "blocked", STEPS["site-gone"]),
        "example.net": ("own", "dns-ok", not_issued("example.net")),
        "intranet.local": ("on-hold", "blocked", STEPS["not-public"]),
        "shop.closte.com": ("on-hold", "blocked", STEPS["refused"]),
        "failing.example.org": ("on-hold", "blocked", AGAIN),
        "stranger.example.org": ("unmanaged", None, STEPS["unmanaged"]),
        "*.wild.example.com": ("on-hold", "blocked", STEPS["by-command-only"]),
        "c6.example.com": ("on-hold", "blocked", STEPS["certificate-budget"]),
    }
    each_has_its_reason(found)
    each_is_listed_by_what_it_needs(world)

    # If the list is unreadable, closte-bridge uses the ledger.
    world.bridge.sandbox.set_faults("list-unknown")
    unread = explained(world, SHOP)
    assert (unread["state"], unread["next_step"]) == ("unknown", STEPS["unknown"])
    assert unread["closte"] == "unknown (Closte's list could not be read), managed"
    # A domain that Closte never added must not get DNS advice first.
    multisite = world.bridge.multisite
    multisite.add_mappings_sql([("late.example.org", SITE)])
    world.names.point(**{"late.example.org": STRANGER})
    late = explained(world, "late.example.org")
    never = "Closte has not added it yet, and its list cannot be read. Each sync tries to add it."
    assert (late["state"], late["next_step"]) == ("to-add", never)
    assert late["records_to_set"] == []
    world.bridge.sandbox.set_faults()


def test_unresolved_domain_is_reported_even_if_the_target_is_unknown(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{"example.net": None})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync()
    reason = "the network's main domain could not be resolved."
    told = explained(world, SHOP)
    assert (told["state"], told["next_step"]) == (
        "in-sync",
        f"Add an A record for {SHOP} with the address of this network: the domain does not resolve. "
        f"To see the address here, set `dns.targets` in the config: {reason}",
    )
    world.names.point(**{SHOP: STRANGER})
    step = f"Set `dns.targets` in the config to see where {SHOP} must point: {reason}"
    told = explained(world, SHOP)
    assert (told["next_step"], told["advice_code"], told["advice_args"]) == (step, "no-target", {"domain": SHOP})


def test_new_domain_is_not_blocked_and_removed_domain_refers_to_the_log(world: Life) -> None:
    make_every_state(world)
    aliases = world.bridge.sandbox.aliases
    world.bridge.sandbox.aliases = aliases - {SHOP}
    added = explained(world, SHOP)
    assert (added["why"], added["phase"]) == ("just added; not in Closte's list yet", "live")
    world.bridge.sandbox.aliases = aliases
    assert world.run("domain", "add", "legacy.example.org").code == 0
    assert world.run("domain", "remove", "legacy.example.org", "--yes").code == 0
    gone = world.run("domain", "explain", "legacy.example.org")
    assert (gone.code, gone.err) == (
        4,
        'Error: Unknown domain "legacy.example.org": no longer found in WordPress or on Closte.\n'
        "Run `closte-bridge log legacy.example.org` to see its history.\n",
    )


def each_is_listed_by_what_it_needs(world: Life) -> None:
    def names(*options: str) -> set[str]:
        return set(world.run("domain", "list", "--format=ids", *options).out.split())

    orphans = {"orphan.example.org", "lost.example.org"}
    # Also if Closte does not have the domain.
    assert names("--state=orphaned") == orphans
    assert "orphan.example.org" not in names("--state=on-hold")
    assert orphans | {"both.example.org", "intranet.local", "shop.closte.com"} <= names("--state=needs-operator")
    assert names("--state=failed") == {"failing.example.org", "shop.closte.com"}
    live = names("--state=live")
    assert SHOP in live
    assert not live & names("--state=not-live")
    assert names("--search=ORPHAN") == {"orphan.example.org"}
    assert names("--state=not-live", "--search=both") == {"both.example.org"}
    assert names("--search=nothing.like.it") == set()
    rows = world.run("domain", "list", "--format=json").envelope["data"]
    steps = {row["domain"]: row["next_step"] for row in rows}
    assert (steps[SHOP], steps["stranger.example.org"]) == ("", "")
    assert (steps["new.example.org"], steps["both.example.org"]) == (STEPS["to-add"], STEPS["conflict"])
    by_hand = world.run("domain", "get", "both.example.org", "--format=json").envelope["data"]
    assert (by_hand["needs"], by_hand["next_step"]) == ("operator", STEPS["conflict"])


def each_has_its_reason(found: dict[str, dict[str, Any]]) -> None:
    assert found[SHOP]["wordpress"] == f'mapped to site {SITE}, stage "done"'
    assert found[SHOP]["closte"] == "present, managed"
    assert found["stranger.example.org"]["wordpress"] == "not mapped"
    assert found["lost.example.org"]["wordpress"] == 'mapped to site 77, which does not exist, stage "done"'
    assert found["example.net"]["wordpress"] == "the network's main domain"
    assert found["both.example.org"]["why"] == "mapped to several sites (1, 2)"
    assert found["orphan.example.org"]["why"] == "mapped to site 77, which does not exist"
    assert found["intranet.local"]["why"] == "no certificate can be issued: under .local"
    assert found["new.example.org"]["why"] == f"mapped to site {SITE}"
    assert found["new.example.org"]["closte"] == "not present"
    assert "(until " in found["failing.example.org"]["why"]
    assert found["failing.example.org"]["history"]


def test_removal_waits_is_due_and_needs_approval(world: Life) -> None:
    multisite = world.bridge.multisite
    world.bridge.write_config(removal_delay="1m", removal_grace=AT_ONCE, checks=False)
    world.bridge.create_events_table()
    world.bridge.adopt()
    names = [f"c{i}.example.com" for i in range(8)]
    multisite.add_mappings_sql([(name, SITE) for name in (SHOP, *names)])
    world.sync()
    delete_mappings(multisite, [SHOP])
    world.bridge.add_event("mapping_removed", SHOP)
    world.sync()
    told = explained(world, SHOP)
    assert (told["state"], told["next_step"]) == ("on-hold", STEPS["waiting"])
    assert "removal is delayed in case the mapping returns (until " in told["why"]
    world.later += 120
    told = explained(world, SHOP)
    assert (told["state"], told["next_step"]) == ("to-remove", STEPS["to-remove"])
    delete_mappings(multisite, names[:5])
    for _ in range(4):
        world.sync(after=HOUR)
    told = explained(world, names[0])
    assert (told["state"], told["why"], told["next_step"]) == (
        "needs-approval",
        "removal needs approval",
        STEPS["needs-approval"],
    )


def test_disabled_integration_is_the_reported_reason(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    set_option(world.bridge.multisite, "wu_host_integrations_enabled", {"closte": False})
    told = explained(world, SHOP)
    why = "the Closte integration is disabled in Ultimate Multisite"
    assert (told["state"], told["next_step"]) == (
        "to-add",
        f"closte-bridge changes nothing: {why}. Run `closte-bridge integration enable` to enable it.",
    )
    for command in (("list",), ("get", SHOP), ("explain", SHOP)):
        ran = world.run("domain", *command)
        assert f"Warning: closte-bridge changes nothing: {why}.\n" in ran.err
        assert world.run("domain", *command, "--format=json").envelope["notes"][0]["code"] == "integration-off"


def test_unwanted_domain_lost_by_closte_is_gone(world: Life) -> None:
    # The list is so long that two missing domains are plausible.
    names = [f"c{i}.example.com" for i in range(30)]
    world.bridge.multisite.add_mappings_sql([(name, SITE) for name in names])
    world.bridge.sandbox.aliases = {world.bridge.multisite.main_domain, *names}
    world.bridge.write_config(checks=False)
    world.bridge.adopt()
    for name in (SHOP, "kept.example.org"):
        assert world.run("domain", "add", name).code == 0
    world.bridge.write_config(keep=["kept.example.org"])
    with opened(world.bridge.state) as ledger, ledger.transaction():
        ledger.clear_flag("pin", [SHOP, "kept.example.org"])
    world.bridge.sandbox.aliases = world.bridge.sandbox.aliases - {SHOP, "kept.example.org"}
    for name, step in ((SHOP, "gone"), ("kept.example.org", "kept")):
        told = explained(world, name)
        assert (told["state"], told["phase"], told["closte"]) == ("gone", None, "not present, managed")
        assert told["next_step"] == STEPS[step]
    assert world.run("domain", "list", "--state=gone", "--format=count").out == "2\n"
    world.sync(after=HOUR)
    assert world.run("domain", "get", SHOP).code == 4


def test_www_form_waits_for_its_dns(world: Life) -> None:
    set_settings(world.bridge.multisite, auto_create_www_subdomain="always")
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync()
    told = explained(world, f"www.{SHOP}")
    assert told["why"] == f'waiting for DNS to point to the same address as "{SHOP}"'
    assert told["next_step"] == (
        f"Add an A record for www.{SHOP} with the value {HERE} in the DNS settings of example.org. "
        "The domain does not exist in DNS."
    )
    assert f'"www.{SHOP}" does not exist in DNS (NXDOMAIN).' in told["findings"]
    # Without DNS checks closte-bridge can only state the rule.
    world.bridge.write_config(checks=False)
    other = "other.example.org"
    world.bridge.multisite.add_mapping(other, SITE)
    told = explained(world, f"www.{other}")
    assert (told["checked"], told["findings"]) == ("not checked yet", [])
    assert told["next_step"] == STEPS["www-unproven"].format(name=f"www.{other}", base=other)


def test_each_phase_up_to_valid_https_shows_its_evidence(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync()
    told = explained(world, SHOP)
    assert (told["state"], told["phase"]) == ("in-sync", "blocked")
    assert told["next_step"] == f"Change the A record of {SHOP} to {HERE}. It currently points to {STRANGER}."
    assert (told["advice_code"], told["advice_args"]) == ("change-records", {})
    assert told["records_to_set"] == [{"type": "A", "host": SHOP, "value": [HERE], "current": [STRANGER]}]
    assert told["summary"] == "not live, waits for its DNS"
    assert (told["evidence"]["dns"]["code"], told["evidence"]["dns"]["expected"]) == ("points-elsewhere", [HERE])
    assert [(entry["action"], entry["outcome"]) for entry in told["history"]] == [("add", "done")]
    assert SHOP in world.run("domain", "list", "--state=needs-customer", "--format=ids").out.split()
    assert told["findings"] == [
        f'"{SHOP}" points elsewhere.',
        f"Nameserver ns1.example.net: {STRANGER}.",
        f"Resolver {world.names.resolver}: {STRANGER}.",
        f"Expected: {HERE}.",
        f"At {STRANGER}, the server does not accept HTTPS connections.",
    ]
    assert "DNS points-elsewhere, certificate no-listener; next check " in told["checked"]

    waits_for_its_certificate(world)
    has_its_padlock(world)


def waits_for_its_certificate(world: Life) -> None:
    # The command shows the current state and stores nothing, so the next run still makes its own check.
    world.names.point(**{SHOP: HERE})
    told = explained(world, SHOP)
    waiting = not_issued(SHOP)
    assert (told["phase"], told["next_step"]) == ("dns-ok", waiting)
    assert told["findings"][0] == f'"{SHOP}" points to the correct address.'
    assert told["findings"][-1].startswith(f"At {HERE}, the host still serves its default certificate ")
    assert world.stage(SHOP) == ("checking-dns", False)
    world.sync(after=70)
    assert world.stage(SHOP) == ("checking-ssl-cert", False)

    # A missing certificate is a problem only after the expected time.
    world.later += 700
    told = explained(world, SHOP)
    assert (told["phase"], told["next_step"]) == ("blocked", waiting)


def has_its_padlock(world: Life) -> None:
    world.certificates.issue(SHOP)
    world.sync(after=70)
    told = explained(world, SHOP)
    assert (told["phase"], told["next_step"]) == ("live", "Nothing to do. The domain is in sync.")
    assert told["wordpress"] == f'mapped to site {SITE}, stage "done"'
    assert ", valid for " in told["checked"]
    stages = [entry for entry in told["history"] if entry["action"] == "stage"]
    assert any((entry["outcome"], entry["detail"]) == ("done", "checking-ssl-cert -> done") for entry in stages)
    shown = world.run("domain", "explain", SHOP).out
    assert f"\nNow: At {HERE}, the certificate is valid. Issued by: Test Authority" in shown
    assert "\nPhase: live since <time>\n" in shown
    assert "\nHistory:\n  <time> " in shown


def test_expired_certificate_is_reported(world: Life) -> None:
    ended = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3)
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP, not_before=ended - datetime.timedelta(days=90), not_after=ended)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    ran = world.run("domain", "explain", SHOP)
    assert "certificate expired, valid until 3 days ago; next check " in ran.out
    assert f'Warning: The certificate of "{SHOP}" expired 3 days ago.\n' in ran.err


def test_stage_that_stays_has_its_reason(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.write(SHOP, active=0)
    assert "stage unchanged: this mapping is disabled in Ultimate Multisite" in explained(world, SHOP)["why"]


def test_endless_check_falls_back_to_the_last_verdict(world: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a server never answers, closte-bridge shows the stored verdict."""
    monkeypatch.setattr("closte_bridge.cli.commands.domain_explain._CHECK_TIMEOUT", 0.5)
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync()
    world.certificates.listen(STRANGER, silent)
    world.names.point(**{SHOP: STRANGER})
    told = explained(world, SHOP)
    assert told["findings"] == []
    assert "DNS ok, certificate ok" in told["checked"]


def test_misspelled_domain_has_one_exit_code_and_a_suggestion(world: Life) -> None:
    world.bridge.adopt()
    world.bridge.multisite.add_mapping(SHOP, SITE)
    typo = SHOP.replace("shop", "shpo")
    for command in (("domain", "explain"), ("domain", "get"), ("domain", "check"), ("sync",)):
        ran = world.run(*command, f"https://{typo}/cart")
        assert (ran.code, f'Did you mean "{SHOP}"?' in ran.err) == (4, True), ran.err
        assert ran.err.startswith(f'Using "{typo}" for "https://{typo}/cart".\n')
    ran = world.run("domain", "explain", "nobody.example.org")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == (
        'Error: Unknown domain "nobody.example.org": not found in WordPress or on Closte.\n'
        "Compare it with `closte-bridge domain list`, or add it with `closte-bridge domain add nobody.example.org`.\n"
    )


def test_sync_of_an_unmanaged_domain_says_so(world: Life) -> None:
    world.bridge.adopt()
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.bridge.sandbox.aliases = world.bridge.sandbox.aliases | {SHOP, "other.example.org"}
    mapped = world.run("sync", SHOP)
    assert (mapped.code, "Nothing to change" in mapped.out) == (0, False)
    assert mapped.err == (
        f'Warning: "{SHOP}" is on Closte, but closte-bridge does not manage it.\n'
        "Run `closte-bridge adopt` to manage it.\n"
    )
    unused = world.run("sync", "other.example.org")
    assert (unused.code, "Nothing to change" in unused.out) == (0, False)
    assert unused.err == (
        'Warning: "other.example.org" is on Closte, but this network does not use it.\n'
        "To use it, map it in WordPress or run `closte-bridge domain add other.example.org`. "
        "To remove it, use Closte's dashboard.\n"
    )
