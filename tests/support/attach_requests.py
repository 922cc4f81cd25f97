"""What a parent is asked with in tests of whom it takes, and what it answers."""

from common.attach import Attach
from common.children import SendAway
from common.fields import Candidate


def attach(
    node: str,
    *,
    serve: int | None = 0,
    slots: int = 2,
    orphan: bool = False,
    reachable: bool = True,
) -> Attach:
    """Return a node's request for a place in stripe 0."""
    return Attach(
        version=1,
        channel="cam",
        stripe=0,
        node=node,
        group_key="k",
        serve=serve,
        slots=slots,
        addresses=(f"{node}:7855",) if reachable else (),
        start=0,
        orphan=orphan,
    )


def sent_to(*named: str) -> SendAway:
    """Return the answer that names these children, all of them available."""
    return SendAway(tuple(Candidate(n, (f"{n}:7855",), 0.0, available=True) for n in named))
