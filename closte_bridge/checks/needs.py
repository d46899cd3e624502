"""Who has to act next on a domain. Pure."""

from __future__ import annotations

from enum import StrEnum

from closte_bridge.checks.advice_text import AdviceCode


class Needs(StrEnum):
    """Who has to act: the domain's owner, the network's operator, or no one."""

    NOBODY = ""
    CUSTOMER = "customer"
    OPERATOR = "operator"


_CUSTOMER = frozenset(
    {
        AdviceCode.TEXT,
        AdviceCode.RECORDS,
        AdviceCode.CNAME,
        AdviceCode.CNAME_WITHOUT_ADDRESS,
        AdviceCode.A_ELSEWHERE,
        AdviceCode.A_MISSING,
        AdviceCode.A_UNWANTED,
        AdviceCode.AAAA_ELSEWHERE,
        AdviceCode.AAAA_UNWANTED,
        AdviceCode.NXDOMAIN,
        AdviceCode.NO_ADDRESS,
        AdviceCode.CNAME_AT_APEX,
        AdviceCode.CAA,
        AdviceCode.DNSSEC,
        AdviceCode.OUTDATED_NAMESERVERS,
        AdviceCode.INCORRECT_NAMESERVERS,
        AdviceCode.NOT_REGISTERED,
        AdviceCode.SILENT_NAMESERVERS,
        AdviceCode.REDIRECT,
        AdviceCode.MEMBERSHIP_INACTIVE,
        AdviceCode.OTHER_SERVER,
    }
)
_WAIT = frozenset({AdviceCode.NONE, AdviceCode.PROPAGATING, AdviceCode.DEFAULT_CERTIFICATE})
# Steps of the plan (`STEP_CODES` in `engine.inventory`) that a person has to take.
_OPERATOR_STEPS = frozenset(
    {
        "needs-approval",
        "unknown",
        "conflict",
        "not-public",
        "site-gone",
        "exists-elsewhere",
        "refused",
        "released",
        "snapshot-partial",
        "list-not-complete",
        "changes-nothing",
        "removes-nothing",
        "add-later",
        "remove-later",
        "addition-unknown",
        "addition-unlisted",
        "own-missing",
    }
)


def needs(advice: str, step: str = "", hold: str = "") -> Needs:
    """Return who has to act.

    `advice` is an `AdviceCode`. `step` is the code of the operator's next step (`plan_step` in `engine.inventory`);
    unless it is empty, it decides. `hold` is the code of a hold: a `www.` form that waits for its DNS needs no one,
    because its domain works without it.
    """
    if step:
        return Needs.OPERATOR if step in _OPERATOR_STEPS else Needs.NOBODY
    if advice in _WAIT or hold == "www-unproven":
        return Needs.NOBODY
    return Needs.CUSTOMER if advice in _CUSTOMER else Needs.OPERATOR
