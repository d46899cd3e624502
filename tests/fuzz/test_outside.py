"""DNS servers and TLS servers belong to anybody."""

from __future__ import annotations

import dns.message
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from closte_bridge.checks.lookup import distil
from closte_bridge.checks.message import read
from closte_bridge.checks.model import Outcome
from tests.fuzz.mutations import damaged

QUERY = dns.message.make_query("shop.example.org", "A", want_dnssec=True)
ANSWER = dns.message.make_response(QUERY)
ANSWER.answer.append(dns.rrset.from_text("shop.example.org.", 60, "IN", "CNAME", "www.example.net."))
ANSWER.answer.append(dns.rrset.from_text("www.example.net.", 60, "IN", "A", "192.0.2.1", "192.0.2.2"))
ANSWER.authority.append(dns.rrset.from_text("example.net.", 60, "IN", "NS", "a.example.net.", "b.example.net."))
ANSWER.additional.append(dns.rrset.from_text("example.net.", 60, "IN", "CAA", '0 issue "ca.example.org"'))


@given(damaged(ANSWER.to_wire()) | st.binary(max_size=300))
def test_any_answer_is_a_message_or_a_known_error(answer: bytes) -> None:
    try:
        message = read(answer)
    except ValueError:
        return
    assert distil(message).outcome in Outcome
