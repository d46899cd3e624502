"""Tests of the automatic way of a mapping from incorrect DNS to valid HTTPS."""

from __future__ import annotations

import datetime
import json
import signal
import time
from typing import TYPE_CHECKING

import pytest

from closte_bridge.errors import ExitCode
from tests.support.life import HERE, HOUR, STRANGER
from tests.support.rows import set_settings
from tests.support.running import write_script

if TYPE_CHECKING:
    from tests.support.life import Life

pytestmark = pytest.mark.real

SHOP, OTHER = "shop.example.org", "other.example.org"
SITE = 2
# Seconds until the next check of a domain after its stage has moved.
SOON = 70.0


def test_mapping_moves_from_incorrect_dns_to_done(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    report = world.sync()
    assert SHOP in world.bridge.aliases
    assert report.verified is not None
    assert report.verified.checked[SHOP].dns.code == "points-elsewhere"
    assert world.stage(SHOP) == ("checking-dns", False)

    # closte-bridge does not check the domain before the check is due, so the stage stays.
    world.names.point(**{SHOP: HERE})
    world.sync(after=20)
    assert world.stage(SHOP) == ("checking-dns", False)
    report = world.sync(after=50)
    assert report.exit_code is ExitCode.OK
    assert world.stage(SHOP) == ("checking-ssl-cert", False)

    world.certificates.issue(SHOP)
    world.sync(after=SOON)
    assert world.stage(SHOP) == ("done", True)
    report = world.sync(after=SOON)
    assert report.verified is not None
    assert report.verified.stages.changes == ()
    check_state = world.run("log", "--fields=domain,action,detail", "--format=csv").out
    assert f"{SHOP},stage,checking-dns -> checking-ssl-cert" in check_state
    assert f"{SHOP},stage,checking-ssl-cert -> done" in check_state


def test_stage_that_failed_after_adoption_recovers(world: Life) -> None:
    """A mapping recovers automatically if it failed after adoption.

    The same applies to a mapping of `wp wu domain create`, whose check Ultimate Multisite never enqueues.
    """
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE, OTHER: HERE})
    world.certificates.issue(SHOP, OTHER)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    created = ("--domain=" + OTHER, f"--blog_id={SITE}", "--stage=checking-dns", "--active=1")
    world.bridge.multisite.wp("wu", "domain", "create", *created)
    world.bridge.multisite.set_stage(SHOP, "failed")
    world.write(SHOP, date_modified=_stamp(days=1))
    world.sync(after=7 * 24 * HOUR)
    assert world.stage(SHOP) == ("done", True)
    assert world.stage(OTHER) == ("done", True)


def test_stage_that_failed_before_adoption_stays_after_a_save(world: Life) -> None:
    """A save after adoption does not make an older failure newer."""
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mappings_sql([(SHOP, SITE)], stage="failed")
    world.bridge.adopt()
    world.write(SHOP, date_modified=_stamp(days=1))
    report = world.sync(after=2 * 24 * HOUR)
    assert world.stage(SHOP) == ("failed", False)
    assert report.verified is not None
    assert [held.code for held in report.verified.stages.holds] == ["given-up-before"]
    # The mapping becomes active again and fails again: this failure is later than the adoption.
    world.write(SHOP, stage="checking-dns")
    world.names.point(**{SHOP: STRANGER})
    world.sync(after=24 * HOUR)
    world.write(SHOP, stage="failed", date_modified=_stamp(days=3))
    world.names.point(**{SHOP: HERE})
    world.sync(after=24 * HOUR)
    assert world.stage(SHOP) == ("done", True)


def test_second_adoption_keeps_later_failures_recoverable(world: Life) -> None:
    """A failure between two adoptions by the same installation counts as later than the adoption."""
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.bridge.multisite.set_stage(SHOP, "failed")
    time.sleep(1.1)  # dates in the row have whole seconds
    world.bridge.multisite.set_stage(SHOP, "ssl-failed")
    world.bridge.adopt()
    world.sync()
    assert world.stage(SHOP) == ("done", True)


def test_several_stages_move_in_one_process_only_on_changes(world: Life) -> None:
    names = [f"{label}.example.org" for label in ("a", "b", "c", "d")]
    world.bridge.adopt()
    world.names.point(**dict.fromkeys(names, HERE))
    world.certificates.issue(*names)
    world.bridge.multisite.add_mappings_sql([(name, SITE) for name in names], stage="checking-dns")
    first = world.run("sync", "--format=json")
    assert {world.stage(name) for name in names} == {("done", True)}
    # One process reads, and one process moves all four stages.
    assert first.envelope["cost"]["wp_calls"] == 2
    world.later += 2 * HOUR
    second = world.run("sync", "--format=json")
    assert "Checked" not in second.err
    assert second.envelope["cost"]["wp_calls"] == 1


def _stamp(**ahead: float) -> str:
    """Return the time after the given interval from now, in WordPress format."""
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(**ahead)
    return then.strftime("%Y-%m-%d %H:%M:%S")


def test_stage_that_failed_before_adoption_moves_by_command_only(world: Life) -> None:
    world.names.point(**{SHOP: HERE, OTHER: STRANGER})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mappings_sql([(SHOP, SITE), (OTHER, SITE)], stage="failed")
    world.bridge.adopt()
    world.sync()
    assert world.stage(SHOP) == ("failed", False)
    plan = world.run("plan").out
    held = "Ultimate Multisite had marked it as failed before the adoption"
    assert f"stage on hold: {held}; run `closte-bridge domain revive {SHOP}` to see what would change" in plan
    assert held in world.run("domain", "explain", SHOP, "--field=why").out

    refused = world.run("domain", "revive", SHOP, answer="n\n")
    said = (
        f'The stage of "{SHOP}" will change from "failed" to "done". It may become the primary domain of site {SITE}.\n'
    )
    assert refused.code == 1
    assert said in refused.out + refused.err
    assert world.stage(SHOP) == ("failed", False)

    hopeless = world.run("domain", "revive", OTHER, "--yes")
    assert hopeless.code == 4
    assert hopeless.err.startswith(
        f'Error: Could not revive "{OTHER}": its stage stays "failed" (DNS: points-elsewhere, '
    )

    revived = world.run("domain", "revive", SHOP, OTHER, answer="y\n")
    assert revived.code == 4, revived
    assert hopeless.err in revived.err
    assert world.stage(SHOP) == ("done", True)
    assert world.stage(OTHER) == ("failed", False)


def test_deactivated_mapping_is_left_unchanged(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE, active=0)
    world.write(SHOP, active=0)
    report = world.sync()
    assert world.stage(SHOP) == ("checking-dns", False)
    assert report.verified is not None
    assert [held.code for held in report.verified.stages.holds] == ["switched-off"]
    assert SHOP in world.bridge.aliases


def test_plan_shows_pending_stage_changes(world: Life) -> None:
    """A sync that was killed before writing the stages leaves them pending."""
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    # This imitates a machine that cannot start a process after the first call of `wp`.
    with world.bridge.other_wp('case " $* " in *" --skip-plugins "*) exec $WP "$@";; esac\nexit 1'):
        failed = world.run("sync")
        assert failed.code == 5
        assert "Error: Could not complete the checks and stage changes: " in failed.err
        plan = world.run("plan", "--format=json")
        (row,) = [row for row in plan.envelope["data"] if row["change"] == "stage"]
        assert (row["domain"], row["status"]) == (SHOP, "planned")
        assert row["reason"] == "checking-dns -> done: DNS is correct and the certificate is valid"
        shown = f"  >  {SHOP}  stage checking-dns -> done: DNS is correct and the certificate is valid\n"
        assert shown in world.run("plan").out
    done = world.run("sync", "--format=json")
    assert done.code == 0
    assert [r["status"] for r in done.envelope["data"] if r["change"] == "stage"] == ["done"]
    assert world.stage(SHOP) == ("done", True)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_run_killed_while_writing_stages_is_completed_by_the_next(world: Life, moment: str) -> None:
    """The next run reaches the same state after a kill with -9 before or after WordPress made the change."""
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    did = '$WP "$@" > /dev/null' if moment == "after" else ":"
    script = f'case " $* " in *" --skip-plugins "*) exec $WP "$@";; esac\n{did}\nkill -9 $PPID\nexit 1'
    with world.bridge.other_wp(script):
        assert world.bridge.run("sync").code == -signal.SIGKILL
    assert world.stage(SHOP) == (("done", True) if moment == "after" else ("checking-dns", False))
    # The ledger contains the result of the check, so the stage moves without another check.
    world.sync()
    assert world.stage(SHOP) == ("done", True)
    assert world.primaries() == {SHOP}
    assert world.run("plan", "--detailed-exitcode").code == 0


def test_stage_moves_back_only_after_an_hour_of_failures(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync()
    assert world.stage(SHOP) == ("done", True)
    world.names.point(**{SHOP: STRANGER})
    # No server accepts HTTPS there, or this machine has no internet access. closte-bridge cannot know the cause.
    for _ in range(4):
        world.sync(after=2 * HOUR)
    assert world.stage(SHOP) == ("done", True)
    world.certificates.elsewhere(STRANGER)
    world.sync(after=2 * HOUR)
    world.sync(after=0.5 * HOUR)
    world.sync(after=0.25 * HOUR)
    assert world.stage(SHOP) == ("done", True)
    # The resolver does not answer: this is no failure of the domain.
    world.bridge.write_config(dns={"resolvers": ["127.0.54.12:9"], "timeout": 0.1})
    world.sync(after=2 * HOUR)
    assert world.stage(SHOP) == ("done", True)
    world.bridge.write_config(dns={"resolvers": [world.names.resolver], "timeout": 5})
    world.sync(after=1 * HOUR)
    assert world.stage(SHOP) == ("checking-dns", False)


def test_mass_failure_moves_few_stages_back(world: Life) -> None:
    """If a portal on this machine's network answers for every domain, visitors still reach the correct sites."""
    names = [f"{label}.example.org" for label in ("a", "b", "c", "d", "e")]
    world.bridge.adopt()
    world.names.point(**dict.fromkeys(names, STRANGER))
    world.certificates.elsewhere(STRANGER)
    world.bridge.multisite.add_mappings_sql([(name, SITE) for name in names], stage="done")
    for _ in range(4):
        ran = world.run("sync", "--format=json")
        world.later += HOUR
    assert ran.codes == ["backwards-limit"]
    assert {world.stage(name)[0] for name in names} == {"done"}
    held = [row for row in world.run("plan", "--format=json").envelope["data"] if row["status"] == "on-hold"]
    assert all("this machine" in row["reason"] for row in held if row["change"] == "stage")
    # Now only a few domains fail.
    world.names.point(**dict.fromkeys(names[2:], HERE))
    world.certificates.issue(*names[2:])
    for _ in range(4):
        world.sync(after=3 * HOUR)
    assert [name for name in names if world.stage(name)[0] != "done"] == names[:2]
    # The daily limit is reached.
    world.names.point(**dict.fromkeys(names[2:], STRANGER))
    for _ in range(5):
        world.sync(after=2 * HOUR)
    assert [name for name in names if world.stage(name)[0] != "done"] == names[:2]


def test_stage_of_a_serving_domain_never_moves_back(world: Life) -> None:
    """The stage stays if one of two addresses has a valid certificate, because that address serves valid HTTPS."""
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE})
    world.certificates.issue(SHOP)
    world.bridge.multisite.add_mapping(SHOP, SITE)
    world.sync()
    world.names.point(**{SHOP: f"{HERE}\n{SHOP}. A {STRANGER}"})
    for _ in range(5):
        report = world.sync(after=2 * HOUR)
    assert report.verified is not None
    assert report.verified.checked[SHOP].dns.code == "points-elsewhere"
    assert world.stage(SHOP) == ("done", True)


# -- the `www.` form ---------------------------------------------------------------------------------------------------


def test_www_form_is_added_once_it_points_here_and_stays(world: Life) -> None:
    www = f"www.{SHOP}"
    set_settings(world.bridge.multisite, auto_create_www_subdomain="always")
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE, www: STRANGER})
    world.bridge.multisite.add_mapping(SHOP, SITE)
    report = world.sync()
    assert {hold.name: hold.code for hold in report.plan.holds} == {www: "www-unproven"}
    assert world.bridge.aliases == {SHOP, f"shop.{world.bridge.multisite.main_domain}"}
    world.names.point(**{www: HERE})
    report = world.sync(after=400)
    assert report.verified is not None
    assert report.verified.proven == {www}
    world.sync(after=2)
    assert www in world.bridge.aliases
    # Both domains point to another host now. closte-bridge removes neither.
    world.names.point(**{SHOP: STRANGER, www: STRANGER})
    for _ in range(3):
        world.sync(after=24 * HOUR)
    assert {SHOP, www} <= world.bridge.aliases
    assert ("remove", www) not in world.bridge.changes()


# -- expiring certificates ---------------------------------------------------------------------------------------------


def test_ending_certificate_is_reported_everywhere(world: Life) -> None:
    world.bridge.adopt()
    world.names.point(**{SHOP: HERE, OTHER: HERE})
    now = datetime.datetime.now(datetime.UTC)
    world.certificates.issue(SHOP, not_after=now + datetime.timedelta(days=5, hours=1))
    world.certificates.issue(OTHER)
    for name in (SHOP, OTHER):
        world.bridge.multisite.add_mapping(name, SITE)
    told, metrics = world.bridge.folder / "told", world.bridge.folder / "bridge.prom"
    hook = write_script(world.bridge.folder / "hook", f"cat >> {told}; echo >> {told}")
    world.bridge.write_config(on_problem=[str(hook)], metrics_file=str(metrics))
    ran = world.run("sync", "--format=json")
    assert (ran.code, ran.codes) == (0, ["certificate-expiring"])
    (document,) = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(document["status"], problem["code"]) for problem in document["problems"]] == [
        ("problem", "certificate-expiring")
    ]
    assert 'closte_bridge_certificates_expiring{network="default"} 1.0\n' in metrics.read_text()
    for command in (("domain", "list"), ("domain", "get", SHOP)):
        assert f'Warning: The certificate of "{SHOP}" expires in 5 days.\n' in world.run(*command).err
    assert world.stage(SHOP) == ("done", True)
    explained = world.run("domain", "explain", SHOP)
    assert f'The certificate of "{SHOP}" expires in 5 days.' in explained.err + explained.out
    (finding,) = [r for r in world.run("doctor", "--format=json").envelope["data"] if r["check"] == "certificates"]
    assert finding["status"] == "warning"
    assert SHOP in finding["message"]
    world.certificates.issue(SHOP, not_after=now - datetime.timedelta(days=1))
    world.later += HOUR
    ran = world.run("sync", SHOP, "--format=json")
    assert (ran.code, ran.codes) == (0, ["certificate-expired"])
    assert json.loads(told.read_text().splitlines()[-1])["problems"][0]["code"] == "certificate-expired"
    # The metrics cover all domains.
    assert 'closte_bridge_certificates_expired{network="default"} 0.0\n' in metrics.read_text()
    assert world.run("sync").code == 0
    assert 'closte_bridge_certificates_expired{network="default"} 1.0\n' in metrics.read_text()
    # closte-bridge reports the certificate, but keeps the stage: moving it back would disable the mapping completely.
    for _ in range(4):
        world.sync(after=2 * HOUR)
    assert world.stage(SHOP) == ("done", True)
    # Without checks closte-bridge cannot know whether the certificate was renewed.
    world.bridge.write_config(checks=False)
    for argv in (("list",), ("get", SHOP), ("explain", SHOP)):
        assert "The certificate of" not in world.run("domain", *argv).err
    (finding,) = [r for r in world.run("doctor", "--format=json").envelope["data"] if r["check"] == "certificates"]
    assert (finding["status"], finding["message"]) == ("skip", "Skipped: `checks` is disabled in the config.")
