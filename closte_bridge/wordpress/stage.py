"""The stages of a mapping in Ultimate Multisite (seen in 2.14.2, class `Domain_Stage`)."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """A stage. A mapping's row may hold any other text as well."""

    CHECKING_DNS = "checking-dns"
    CHECKING_SSL = "checking-ssl-cert"
    DONE = "done"
    DONE_WITHOUT_SSL = "done-without-ssl"
    FAILED = "failed"
    SSL_FAILED = "ssl-failed"


GIVEN_UP = frozenset({Stage.FAILED, Stage.SSL_FAILED})
# Ultimate Multisite does not serve a mapping in one of these stages (`Domain::INACTIVE_STAGES`).
INACTIVE = GIVEN_UP | {Stage.CHECKING_DNS, Stage.CHECKING_SSL}
