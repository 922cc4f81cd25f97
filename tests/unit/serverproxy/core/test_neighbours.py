"""A viewer on the server proxy's own machine can serve viewers elsewhere."""

import pytest

from common.fields import Candidate, StripeCandidates
from common.messages import Announce, Candidates, Redirect
from serverproxy.core.neighbours import message_as_seen

LOCAL = Candidate("n1", ("127.0.0.1:7855", "[::1]:7855"), 0.0, available=True)
FAR = Candidate("n2", ("192.0.2.7:7855",), 0.0, available=True)
ROOT = Candidate("root", (), 0.0, available=True)


def test_who_is_elsewhere_is_told_the_server_proxys_address_for_a_node_beside_it() -> None:
    message = Candidates(parents=StripeCandidates(0, (LOCAL, FAR, ROOT)))
    seen = message_as_seen(message, "192.0.2.1")
    assert isinstance(seen, Candidates)
    assert [one.addresses for one in seen.parents.candidates] == [
        ("192.0.2.1:7855", "192.0.2.1:7855"),
        FAR.addresses,
        (),
    ]
    redirect = message_as_seen(Redirect(stripe=0, parent="root", targets=(LOCAL,)), "2001:db8::1")
    assert isinstance(redirect, Redirect)
    assert redirect.targets[0].addresses == ("[2001:db8::1]:7855",) * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_who_is_on_the_same_machine_is_told_what_was_seen(host: str) -> None:
    message = Redirect(stripe=0, parent="root", targets=(LOCAL, FAR))
    assert message_as_seen(message, host) == message


def test_other_messages_and_names_are_left_alone() -> None:
    assert message_as_seen(Announce(source_up=True), "192.0.2.1") == Announce(source_up=True)
    named = Candidate("n3", ("camera.example:7855",), 0.0, available=True)
    message = Redirect(stripe=0, parent="root", targets=(named,))
    assert message_as_seen(message, "192.0.2.1") == message
