"""Whose fault it is when the picture stands still: what a node says of itself, in plain words.

The first rule that applies is the verdict; what comes later may only follow from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from clientproxy.core.lag import SLOW_LAG
from common.ids import ROOT

Blame: TypeAlias = Literal["nobody", "me", "parent", "source", "server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeCondition:
    """How one stripe comes in."""

    parent: str | None
    behind: float = 0.0
    """Seconds that a packet takes from the parent, more than at best."""
    silent: bool = False
    slow: bool = False

    @property
    def is_late(self) -> bool:
        """It comes later than what a parent may take."""
        return self.slow or self.behind >= SLOW_LAG

    @property
    def comes_in_time(self) -> bool:
        """There is nothing wrong with it."""
        return self.parent is not None and not self.silent and not self.is_late


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a node does."""

    server: str
    control_up: bool
    """The server proxy has made an offer on the present control link."""
    trouble: str | None = None
    """What the server proxy refused, or why it cannot be reached."""
    source_up: bool = True
    source_trouble: str = ""
    """Why the source is down, and since when."""
    downlink_slow: bool = False
    """Every parent's packets come late (`lag`)."""
    reachable: bool = True
    """The server proxy could open a link to this node."""
    stripes: Sequence[StripeCondition] = ()
    """Empty before the first Offer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who is to blame, and a sentence that says so."""

    blame: Blame
    sentence: str


def judge(condition: Condition) -> Verdict:
    """Return what is wrong, if anything is."""
    if not condition.stripes:
        waiting = f"Waiting for the server proxy at {condition.server}."
        return Verdict("server", condition.trouble or waiting)
    if condition.downlink_slow:
        return Verdict(
            "me", "It is this machine's own network: what comes from every parent comes late."
        )
    if not condition.control_up:
        sentence = f"The server proxy at {condition.server} does not answer"
        return Verdict("server", f"{sentence}; what the parents send goes on.")
    if not condition.source_up:
        why = f" Why: {condition.source_trouble}." if condition.source_trouble else ""
        return Verdict("source", f"The source is down: it is neither you nor a parent.{why}")
    return _of_parents(condition) or _well(condition)


def _of_parents(condition: Condition) -> Verdict | None:
    for stripe, one in enumerate(condition.stripes):
        if one.parent is None:
            return Verdict("parent", f"No parent for stripe {stripe} yet: asking for one.")
        name = "the server proxy" if one.parent == ROOT else one.parent
        if one.silent:
            return Verdict(
                "parent", f"It is {name}: it has fallen silent in stripe {stripe}; asking another."
            )
        if one.is_late:
            others = [*condition.stripes[:stripe], *condition.stripes[stripe + 1 :]]
            in_time = others and all(other.comes_in_time for other in others)
            late = f"It is {name}: stripe {stripe} comes {one.behind:.1f} s late"
            return Verdict("parent", f"{late}, the others in time." if in_time else f"{late}.")
    return None


def _well(condition: Condition) -> Verdict:
    if not condition.reachable:
        return Verdict(
            "nobody",
            "All is well here, but no other node can reach this machine, so it passes nothing on.",
        )
    return Verdict("nobody", "All is well: every stripe comes in time.")
