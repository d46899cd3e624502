"""Tests of a domain's state and of the stage that follows from it: each rule, and properties over random histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.checks.domain_state import (
    CheckState,
    DomainPhase,
    DomainState,
    begin,
    domain_state,
    learn,
    warn_from,
)
from closte_bridge.checks.model import (
    AddressVerdict,
    Certificate,
    DnsCode,
    DnsVerdict,
    DomainCheck,
    HttpCode,
    HttpVerdict,
    TlsCode,
    TlsVerdict,
)
from closte_bridge.checks.schedule import DAY, HOUR, MINUTE
from closte_bridge.planning.stages import NextStage, StageHoldReason, next_stage
from closte_bridge.wordpress.snapshot import Mapping
from closte_bridge.wordpress.stage import Stage
from tests.support.check_states import a_step

START = 1_750_000_000.0
ADOPTED = START - 10 * DAY
LEADS_HERE = {DnsCode.OK, DnsCode.PROXIED, DnsCode.CAA, DnsCode.CNAME_AT_APEX}
ALL_STAGES = (
    Stage.CHECKING_DNS,
    Stage.CHECKING_SSL,
    Stage.DONE,
    "done-without-ssl",
    Stage.FAILED,
    Stage.SSL_FAILED,
    "something-new",
)


def look(
    at: float,
    dns: DnsCode = DnsCode.OK,
    tls: TlsCode | None = TlsCode.OK,
    *,
    also: TlsCode | None = None,
    expires: float = 80 * DAY,
) -> DomainCheck:
    """Return the result of a check at that time; `also` is the TLS code of a second address."""
    found = None
    if tls is not None:
        certificate = Certificate("", "CA", ("shop.test",), 0.0, START + expires, "")
        codes = [tls] if also is None else [tls, also]
        addresses = tuple(
            AddressVerdict(f"192.0.2.{i}", code, certificate if code.conclusive else None)
            for i, code in enumerate(codes)
        )
        found = TlsVerdict(
            "shop.test", tls, a_step(f"TLS: {tls}." * (tls is not TlsCode.OK)), addresses, certificate, 1
        )
    advice = "" if dns in {DnsCode.OK, DnsCode.PROXIED, DnsCode.UNKNOWN} else f"DNS: {dns}."
    return DomainCheck("shop.test", DnsVerdict("shop.test", dns, a_step(advice), dns in LEADS_HERE), found, at)


def lived(*looks: DomainCheck, first: float = START) -> CheckState:
    check_state = begin(first)
    for checked in looks:
        check_state = learn(check_state, checked, interval=300)
    return check_state


def when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def mapped(stage: str, *, active: bool = True, modified: str | None = when(START)) -> Mapping:
    return Mapping(1, 2, "shop.test", active, False, False, stage, None, modified)


def stage_after(
    stage: str, *looks: DomainCheck, active: bool = True, modified: str | None = when(START), revive: bool = False
) -> NextStage | StageHoldReason | None:
    mapping = mapped(stage, active=active, modified=modified)
    return next_stage(mapping, lived(*looks), adopted=ADOPTED, revive=revive)


def authority(check_state: CheckState, now: float, *, aliased: bool = True, blocked: str = "") -> DomainState:
    return domain_state(check_state, aliased=aliased, now=now, blocked=blocked)


# -- the state of a domain -------------------------------------------------------------------------------------------


def test_domain_moves_from_wanted_to_https_ok() -> None:
    check_state = begin(START)
    assert authority(check_state, START, aliased=False).phase is DomainPhase.WANTED
    assert authority(check_state, START).phase is DomainPhase.ADDED
    check_state = learn(check_state, look(START + 60, DnsCode.NXDOMAIN, None), interval=300)
    life = authority(check_state, START + 60)
    assert (life.phase, life.reason, life.advice) == (DomainPhase.BLOCKED, "nxdomain", "DNS: nxdomain.")
    assert life.since == START + 60
    check_state = learn(check_state, look(START + 360, tls=TlsCode.DEFAULT_CERTIFICATE), interval=300)
    life = authority(check_state, START + 361)
    assert (life.phase, life.since) == (DomainPhase.DNS_OK, START + 360)
    check_state = learn(check_state, look(START + 660), interval=300)
    life = authority(check_state, START + 661)
    assert (life.phase, life.reason, life.advice) == (DomainPhase.HTTPS_OK, "", "")


def test_alias_that_cannot_be_added_is_blocked_with_its_reason() -> None:
    life = authority(begin(START), START, aliased=False, blocked="certificate-budget")
    assert (life.phase, life.reason) == (DomainPhase.BLOCKED, "certificate-budget")


def test_missing_certificate_is_a_problem_only_after_ten_minutes() -> None:
    check_state = lived(look(START, tls=TlsCode.NO_LISTENER))
    assert authority(check_state, START + 10 * MINUTE).phase is DomainPhase.DNS_OK
    late = authority(check_state, START + 10 * MINUTE + 1)
    assert (late.phase, late.since, late.reason, late.advice) == (
        DomainPhase.BLOCKED,
        START,
        "no-listener",
        "TLS: no-listener.",
    )


@pytest.mark.parametrize("code", [DnsCode.CAA, DnsCode.CNAME_AT_APEX])
def test_certificate_obstacle_is_reported_immediately(code: DnsCode) -> None:
    life = authority(lived(look(START, code, TlsCode.DEFAULT_CERTIFICATE)), START)
    assert (life.phase, life.reason, life.advice) == (DomainPhase.BLOCKED, code.value, f"DNS: {code}.")
    # A valid certificate makes the obstacle irrelevant.
    assert authority(lived(look(START, code)), START).phase is DomainPhase.HTTPS_OK


def test_one_address_without_a_valid_certificate_blocks_https_ok() -> None:
    check_state = lived(look(START, tls=TlsCode.WRONG_NAME, also=TlsCode.OK))
    assert check_state.serves
    life = authority(check_state, START)
    assert (life.phase, life.reason) == (DomainPhase.BLOCKED, "wrong-name")


def test_inconclusive_check_changes_nothing() -> None:
    before = lived(look(START))
    after = learn(before, look(START + HOUR, DnsCode.UNKNOWN, None), interval=300)
    # An inconclusive check does not refresh the age of what is known.
    assert after == before._replace(next_check=after.next_check)
    assert after.next_check > START + HOUR
    assert authority(after, START + HOUR).phase is DomainPhase.HTTPS_OK
    never = lived(look(START, DnsCode.UNKNOWN, None))
    assert authority(never, START).phase is DomainPhase.ADDED
    assert next_stage(mapped(Stage.CHECKING_DNS), never, adopted=ADOPTED) is None


def test_since_is_never_later_than_the_clock() -> None:
    unknown = look(START - 60, DnsCode.UNKNOWN, None)
    for tls in (TlsCode.OK, TlsCode.DEFAULT_CERTIFICATE):
        assert authority(lived(look(START, tls=tls), unknown), START - 60).since == START - 60


def test_unresponsive_nameservers_are_the_reported_reason() -> None:
    check_state = lived(look(START), look(START + HOUR, DnsCode.TIMEOUT, None))
    life = authority(check_state, START + HOUR)
    assert (life.phase, life.reason, life.advice) == (DomainPhase.BLOCKED, "time-out", "DNS: time-out.")


# -- stages move forward ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.CHECKING_DNS, Stage.FAILED])
def test_correct_dns_advances_the_stage(stage: str) -> None:
    assert stage_after(stage, look(START, tls=TlsCode.DEFAULT_CERTIFICATE)) == NextStage(
        Stage.CHECKING_SSL, None, "DNS is correct"
    )


@pytest.mark.parametrize("stage", [Stage.CHECKING_DNS, Stage.CHECKING_SSL, Stage.FAILED, Stage.SSL_FAILED])
@pytest.mark.parametrize("dns", [DnsCode.OK, DnsCode.PROXIED, DnsCode.CAA])
def test_valid_certificate_completes_the_stage(stage: str, dns: DnsCode) -> None:
    move = stage_after(stage, look(START, dns))
    assert isinstance(move, NextStage)
    assert (move.stage, move.secure) == (Stage.DONE, True)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_valid_certificate_elsewhere_proves_nothing(stage: str) -> None:
    for dns in (DnsCode.ELSEWHERE, DnsCode.PARTLY, DnsCode.ONE_FAMILY, DnsCode.DNSSEC, DnsCode.TIMEOUT):
        assert stage_after(stage, look(START, dns)) is None


@pytest.mark.parametrize(
    "stage", [Stage.CHECKING_SSL, Stage.SSL_FAILED, Stage.DONE, "done-without-ssl", "something-new"]
)
def test_correct_dns_alone_moves_no_other_stage(stage: str) -> None:
    assert stage_after(stage, look(START, tls=TlsCode.DEFAULT_CERTIFICATE)) is None


@pytest.mark.parametrize("stage", [Stage.DONE, "done-without-ssl", "something-new"])
def test_completed_or_chosen_stage_is_left_unchanged(stage: str) -> None:
    assert stage_after(stage, look(START)) is None


@pytest.mark.parametrize("stage", [Stage.FAILED, Stage.SSL_FAILED])
@pytest.mark.parametrize("modified", [when(ADOPTED), when(ADOPTED - DAY), None, "0000-00-00 00:00:00"])
def test_mapping_failed_before_adoption_moves_by_command_only(stage: str, modified: str | None) -> None:
    hold = stage_after(stage, look(START), modified=modified)
    assert isinstance(hold, StageHoldReason)
    assert hold.code == "given-up-before"
    assert "closte-bridge domain revive shop.test" in hold.reason
    assert isinstance(stage_after(stage, look(START), modified=modified, revive=True), NextStage)


@pytest.mark.parametrize("revive", [False, True])
def test_deactivated_mapping_is_left_unchanged(revive: bool) -> None:
    hold = stage_after(Stage.CHECKING_DNS, look(START), active=False, revive=revive)
    assert isinstance(hold, StageHoldReason)
    assert hold.code == "switched-off"


def test_stage_does_not_move_without_a_check() -> None:
    assert next_stage(mapped(Stage.CHECKING_DNS), begin(START), adopted=ADOPTED) is None


# -- stages move back ------------------------------------------------------------------------------------------------


def wrong(at: float) -> DomainCheck:
    return look(START + at, DnsCode.NXDOMAIN, None)


def test_three_failures_over_an_hour_move_the_stage_back() -> None:
    move = stage_after(Stage.DONE, look(START), wrong(60), wrong(1800), wrong(60 + HOUR))
    assert isinstance(move, NextStage)
    assert (move.stage, move.secure) == (Stage.CHECKING_DNS, False)
    assert stage_after(Stage.CHECKING_SSL, wrong(0), wrong(60), wrong(HOUR)) == move


def test_fewer_or_faster_failures_do_not_move_the_stage_back() -> None:
    assert stage_after(Stage.DONE, wrong(60), wrong(60 + 2 * HOUR)) is None
    assert stage_after(Stage.DONE, *(wrong(60.0 * i) for i in range(59))) is None
    # An hour without conclusive checks proves nothing.
    silence = [look(START + 3 * HOUR, DnsCode.UNKNOWN, None), look(START + 4 * HOUR, DnsCode.TIMEOUT, None)]
    assert stage_after(Stage.DONE, wrong(0), wrong(60), wrong(120), *silence) is None


def test_timeout_neither_counts_as_failure_nor_resets_the_count() -> None:
    looks = [wrong(0), look(START + 60, DnsCode.TIMEOUT, None), wrong(1800), wrong(HOUR)]
    assert isinstance(stage_after(Stage.DONE, *looks), NextStage)
    silent = [look(START + i * HOUR, tls=TlsCode.NO_LISTENER) for i in range(9)]
    assert stage_after(Stage.DONE, *silent) is None


@pytest.mark.parametrize("tls", [code for code in TlsCode if not code.conclusive])
def test_silent_server_is_no_failure_even_if_dns_points_elsewhere(tls: TlsCode) -> None:
    """During an outage of a CDN or behind a firewall, no certificate shows whether the CDN points here."""
    silent = [look(START + 60 + i * 300, DnsCode.ELSEWHERE, tls) for i in range(25)]
    assert stage_after(Stage.DONE, look(START, DnsCode.PROXIED), *silent) is None
    # The same applies if the domain never had valid HTTPS: this machine may have no outgoing connection.
    assert stage_after(Stage.DONE, *silent) is None
    # A certificate for another domain is a conclusive result.
    assert isinstance(stage_after(Stage.DONE, *(look(c.at, c.dns.code, TlsCode.WRONG_NAME) for c in silent)), NextStage)


def test_one_correct_check_resets_the_failure_count() -> None:
    assert stage_after(Stage.DONE, wrong(0), wrong(1800), look(START + 1900), wrong(HOUR), wrong(HOUR + 60)) is None


def test_serving_domain_never_moves_back() -> None:
    elsewhere = [look(START + i * HOUR, DnsCode.ELSEWHERE) for i in range(9)]
    assert stage_after(Stage.DONE, *elsewhere) is None
    half = [look(START + i * HOUR, tls=TlsCode.WRONG_NAME, also=TlsCode.OK) for i in range(9)]
    assert stage_after(Stage.DONE, *half) is None


def test_invalid_certificate_moves_the_stage_back_to_its_check() -> None:
    move = stage_after(Stage.DONE, *(look(START + i * 1800, tls=TlsCode.DEFAULT_CERTIFICATE) for i in range(3)))
    assert isinstance(move, NextStage)
    assert (move.stage, move.secure) == (Stage.CHECKING_SSL, False)


@pytest.mark.parametrize("tls", [TlsCode.UNKNOWN_ISSUER, TlsCode.SELF_SIGNED, TlsCode.NOT_YET_VALID, TlsCode.EXPIRED])
@pytest.mark.parametrize("dns", [DnsCode.OK, DnsCode.ELSEWHERE], ids=["direct", "cdn"])
def test_locally_distrusted_certificate_moves_nothing(dns: DnsCode, tls: TlsCode) -> None:
    """Missing roots, a TLS-inspecting proxy or a wrong clock on this machine: visitors may still have valid HTTPS."""
    looks = [look(START + i * 1800, dns, tls) for i in range(9)]
    assert stage_after(Stage.DONE, *looks) is None
    # Those checks did not count: one check with incorrect DNS is the first failure.
    assert stage_after(Stage.DONE, *looks, wrong(9 * 1800)) is None


def test_expired_certificate_is_reported_and_moves_nothing() -> None:
    looks = [look(START + i * HOUR, tls=TlsCode.EXPIRED, expires=-DAY) for i in range(9)]
    assert stage_after(Stage.DONE, *looks) is None
    life = authority(lived(*looks), START + 9 * HOUR)
    assert (life.phase, life.reason) == (DomainPhase.BLOCKED, "expired")


@pytest.mark.parametrize(
    "stage", [Stage.CHECKING_DNS, Stage.FAILED, Stage.SSL_FAILED, "done-without-ssl", "something-new"]
)
def test_no_other_stage_moves_back(stage: str) -> None:
    assert stage_after(stage, *(wrong(i * HOUR) for i in range(9))) is None


# -- random histories ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    after: float
    dns: DnsCode
    tls: TlsCode | None
    also: TlsCode | None


STEPS = st.lists(
    st.builds(
        Step,
        st.floats(-HOUR, 2 * DAY),
        st.sampled_from(DnsCode),
        st.sampled_from([None, *TlsCode]),
        st.sampled_from([None, *TlsCode]),
    ),
    max_size=30,
)
HOME_STAGES = st.sampled_from(ALL_STAGES)


@given(STEPS, HOME_STAGES, st.booleans(), st.booleans())
def test_stage_rules_hold_for_random_check_histories(steps: list[Step], stage: str, active: bool, old: bool) -> None:
    now, check_state = START, begin(START)
    mapping = mapped(stage, active=active, modified=when(ADOPTED - DAY if old else START))
    for step in steps:
        now += step.after
        checked = look(now, step.dns, step.tls, also=step.also)
        check_state = learn(check_state, checked, interval=300)
        assert now < check_state.next_check <= now + DAY
        assert (check_state.failing_since is None) == (check_state.failures == 0)
        verdict = next_stage(mapping, check_state, adopted=ADOPTED)
        life = authority(check_state, now)
        assert life.since <= now
        if not isinstance(verdict, NextStage):
            continue
        assert active
        assert not (old and stage in {Stage.FAILED, Stage.SSL_FAILED})
        assert verdict.stage != stage
        if verdict.stage == Stage.DONE:
            assert verdict.secure
            assert life.phase is DomainPhase.HTTPS_OK
        if verdict.stage == Stage.CHECKING_DNS or (stage, verdict.stage) == (Stage.DONE, Stage.CHECKING_SSL):
            assert check_state.failures >= 3
            assert not check_state.serves
        # The same check must not move the new stage back to the old one.
        again = next_stage(mapping._replace(stage=verdict.stage), check_state, adopted=ADOPTED)
        assert not isinstance(again, NextStage) or again.stage != stage


# -- certificates and live domains -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("lifetime", "left"), [(90, 30), (64, 64 / 3), (12, 4), (9, 4.5), (6, 3)])
def test_expiry_warning_depends_on_the_lifetime(lifetime: float, left: float) -> None:
    end = START + lifetime * DAY
    assert warn_from(START, end) == pytest.approx(end - left * DAY)


def answered(checked: DomainCheck, code: HttpCode, *, site: int | None = None) -> DomainCheck:
    return replace(checked, http=HttpVerdict("shop.test", code, a_step(f"HTTP: {code}." * code.wrong), site=site))


def test_domain_is_live_once_visitors_get_the_right_site() -> None:
    check_state = lived(look(START))
    assert authority(check_state, START).phase is DomainPhase.HTTPS_OK
    check_state = learn(check_state, answered(look(START + 60), HttpCode.SIGN_UP), interval=300)
    life = authority(check_state, START + 60)
    assert (life.phase, life.reason, life.advice) == (DomainPhase.BLOCKED, "sign-up-page", "HTTP: sign-up-page.")
    # A domain whose visitors get something wrong is checked at the network's interval.
    assert check_state.next_check == START + 60 + 300
    check_state = learn(check_state, answered(look(START + 360), HttpCode.OK), interval=300)
    life = authority(check_state, START + 360)
    assert (life.phase, life.since, life.reason, life.advice) == (DomainPhase.LIVE, START + 360, "", "")
    assert check_state.next_check > START + 360 + 0.7 * HOUR


def test_slow_answer_shows_nothing_wrong_with_the_domain() -> None:
    life = authority(lived(answered(look(START), HttpCode.TIMEOUT)), START)
    assert (life.phase, life.reason) == (DomainPhase.HTTPS_OK, "time-out")


def test_signed_answer_proves_a_domain_behind_an_unknown_cdn() -> None:
    proven = answered(look(START, DnsCode.ELSEWHERE), HttpCode.OK, site=2)
    life = authority(lived(proven), START)
    assert (life.phase, life.advice) == (DomainPhase.LIVE, "")


@pytest.mark.parametrize("stage", [Stage.CHECKING_SSL, Stage.DONE])
def test_live_domain_never_moves_back(stage: str) -> None:
    looks = [answered(look(START + i * HOUR, DnsCode.ELSEWHERE), HttpCode.OK, site=2) for i in range(9)]
    assert lived(*looks).live
    assert stage_after(stage, *looks) is None
