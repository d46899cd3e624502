"""Who has to act on a domain: a wrong answer shows an operator's problem to a customer."""

from __future__ import annotations

import pytest

from closte_bridge.checks import needs as module
from closte_bridge.checks.advice_text import AdviceCode
from closte_bridge.checks.needs import Needs, needs
from closte_bridge.engine.inventory import STEP_CODES


@pytest.mark.parametrize(
    ("advice", "who"),
    [
        (AdviceCode.NONE, Needs.NOBODY),
        (AdviceCode.PROPAGATING, Needs.NOBODY),
        (AdviceCode.A_ELSEWHERE, Needs.CUSTOMER),
        (AdviceCode.DNSSEC, Needs.CUSTOMER),
        (AdviceCode.INCORRECT_NAMESERVERS, Needs.CUSTOMER),
        (AdviceCode.SIGN_UP, Needs.OPERATOR),
        (AdviceCode.SERVER_ERROR, Needs.OPERATOR),
        (AdviceCode.SERVER_UNKNOWN, Needs.OPERATOR),
        (AdviceCode.NO_TARGET, Needs.OPERATOR),
    ],
)
def test_advice_names_who_has_to_act(advice: AdviceCode, who: Needs) -> None:
    assert needs(advice) is who


def test_step_of_the_operator_comes_first() -> None:
    assert needs(AdviceCode.A_ELSEWHERE, "needs-approval") is Needs.OPERATOR
    assert needs(AdviceCode.A_ELSEWHERE, "to-add") is Needs.NOBODY
    assert needs(AdviceCode.A_ELSEWHERE, hold="www-unproven") is Needs.NOBODY


def test_codes_exist() -> None:
    assert module._OPERATOR_STEPS <= STEP_CODES
