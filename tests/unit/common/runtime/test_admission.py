"""What a parent answers whoever asks it."""

from typing import NamedTuple

import pytest

from common.attach import Attach, Probe, ProbeReply
from common.children import Children
from common.codec import encode_message
from common.ids import NodeId
from common.messages import VERSION, Redirect, Refused
from common.runtime.admission import MAX_DISMISSED, Admission
from common.runtime.childfeed import DownlinkStats
from common.runtime.link import Link
from common.stripelog import StripeLog
from tests.support.noted import Above, Clock, NotedLink, fill

C, D = NodeId("c"), NodeId("d")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Taken(NamedTuple):
    """A child that was admitted."""

    node: str
    instead_of: NodeId | None


class Door:
    """A node p with one slot in one stripe, and whom it has taken."""

    def __init__(self) -> None:
        self.log = StripeLog(max_bytes=1 << 30, max_age=60.0)
        self.above, self.stats = Above("p"), DownlinkStats([0])
        self.children = Children(slots=1)
        self.taken: list[Taken] = []
        self.admission = Admission([self.log], self.children, self.above, self.stats, self.take)

    def take(self, link: Link, request: Attach, path: object, instead_of: NodeId | None) -> None:
        self.taken.append(Taken(request.node, instead_of))

    def asked(self, request: Attach | Probe) -> NotedLink:
        link = NotedLink()
        self.admission.asked(link, request)
        return link


def attach(node: NodeId, *, version: int = VERSION, stripe: int = 0, slots: int = 0) -> Attach:
    return Attach(
        version=version,
        channel="cam",
        stripe=stripe,
        node=node,
        group_key="key",
        serve=stripe if slots else None,
        slots=slots,
        addresses=(f"{node}:7855",) if slots else (),
        start=1,
        orphan=False,
    )


def test_who_has_no_parent_takes_nobody() -> None:
    door = Door()
    door.above.entries = None
    link = door.asked(attach(C))
    (answer,) = link.messages
    assert isinstance(answer, Refused)
    assert (answer.reason, link.why) == ("detached", "detached")
    assert (door.taken, list(door.children)) == ([], [])


@pytest.mark.parametrize(
    ("request_", "reason"),
    [(attach(C, version=VERSION + 1), "version"), (attach(C, stripe=1), "bad_request")],
)
def test_who_is_refused_is_told_why_and_counted(request_: Attach, reason: str) -> None:
    door = Door()
    link = door.asked(request_)
    (answer,) = link.messages
    assert isinstance(answer, Refused)
    assert (answer.reason, link.why, door.stats.refused) == (reason, reason, {reason: 1})
    assert door.taken == []


def test_a_child_is_taken_while_there_is_a_slot_and_the_next_is_sent_to_it() -> None:
    door = Door()
    assert door.asked(attach(C, slots=1)).messages == []
    assert door.taken == [Taken(C, None)]
    link = door.asked(attach(D))
    (answer,) = link.messages
    assert isinstance(answer, Redirect)
    assert [one.node for one in answer.targets] == [C]
    assert (answer.parent, link.why, len(door.taken)) == ("p", "redirected", 1)


def test_a_probe_is_told_what_there_is_and_attach_may_follow_on_its_link() -> None:
    door = Door()
    fill(door.log, 1, 9)
    link = door.asked(Probe(version=VERSION, channel="cam", group_key="key"))
    assert link.messages == [ProbeReply(stripes=(0,), newest=9, delay=0.0, free_slots=1)]
    link.handler.message(link, encode_message(attach(C))[6:])
    assert door.taken == [Taken(C, None)]


def test_a_probe_of_who_has_no_parent_is_told_so() -> None:
    door = Door()
    door.above.entries = None
    (answer,) = door.asked(Probe(version=VERSION, channel="cam", group_key="key")).messages
    assert isinstance(answer, ProbeReply)
    assert answer.stripes == ()


def test_so_many_are_dismissed_at_a_time() -> None:
    door = Door()
    door.admission.dismiss(C)
    (answer,) = door.asked(attach(C)).messages
    assert isinstance(answer, Refused)
    assert answer.reason == "kicked"
    for number in range(MAX_DISMISSED):
        door.admission.dismiss(NodeId(f"n{number}"))
    assert door.asked(attach(C)).messages == []
    assert door.taken == [Taken(C, None)]
