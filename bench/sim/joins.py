"""Joins of very many nodes: membership and trees alone, without hosts and packets.

A node is what it says to the server proxy: it attaches where it is told and reports it at once.
With fan-out 3 and height 10 that is 88,573 nodes, the figure of SpreadIt's paper.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.ids import NodeId, Stripe
from common.messages import AttachedReport, Redirect
from serverproxy.core.members import Command, Joined, MakeOffer, Refuse, Send, Told
from serverproxy.core.membership import Membership
from serverproxy.core.tree import Trees

SETTLE_JOINS = 500
"""Joins between two looks at what the trees owe."""
PER_SECOND = 1_000.0


@dataclass(frozen=True, slots=True)
class Joins:
    """What came of it."""

    nodes: int
    refused: int
    heights: tuple[int, ...]
    seconds: float
    """CPU time of all joins."""


def full_tree(fan_out: int, height: int) -> int:
    """Return the nodes of a full tree under one at the top, which counts as height 0."""
    return int((fan_out ** (height + 1) - 1) // (fan_out - 1))


class Crowd:
    """Nodes that attach where they are told."""

    def __init__(self, *, stripes: int, slots: int) -> None:
        self.trees = Trees(stripes=stripes)
        self.refused = 0
        self._membership = Membership(self.trees, stripes=stripes, away_grace=10.0)
        self._slots, self._now = slots, 0.0

    def join(self, node: NodeId) -> None:
        """Let one more node join."""
        self._now += 1 / PER_SECOND
        event = Joined(node=node, addresses=("10.0.0.1:7855",), max_children=self._slots)
        self._do(self._membership.handle(event, self._now))

    def settle(self) -> None:
        """Let the trees say what they owe, and do it."""
        self._now = max(self._now, self._membership.next_deadline() or self._now)
        self._do(self._membership.expire(self._now))

    def _do(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case MakeOffer(node=node, parents=parents):
                    for one in parents:
                        self._attach(node, one.stripe, one.candidates[0].node)
                case Send(node, Redirect(stripe=stripe, targets=targets)) if targets:
                    self._attach(node, stripe, targets[0].node)
                case Refuse():
                    self.refused += 1
                case _:
                    pass

    def _attach(self, node: NodeId, stripe: int, parent: str) -> None:
        report, family = AttachedReport(stripe=stripe, parent=parent, first=0), self._family
        before = family(parent, stripe)
        self._do(self._membership.handle(Told(node, report), self._now))
        for child in before:  # those that it hands over, or had to send away
            if self.trees.moving_to(child, Stripe(stripe)) == node:  # the parent hands it over
                self._attach(child, stripe, node)

    def _family(self, parent: str, stripe: int) -> Sequence[NodeId]:
        return self.trees.children(NodeId(parent), Stripe(stripe))


def measure(
    nodes: int, *, stripes: int, slots: int, say: Callable[[str], None] = lambda _text: None
) -> Joins:
    """Let so many nodes join, one after the other."""
    crowd, began = Crowd(stripes=stripes, slots=slots), time.process_time()
    for at in range(nodes):
        crowd.join(NodeId(f"n{at}"))
        if at % SETTLE_JOINS == SETTLE_JOINS - 1:
            crowd.settle()
            if at % (nodes // 10) < SETTLE_JOINS:
                say(f"{at + 1} nodes after {time.process_time() - began:.0f} s")
    crowd.settle()
    heights = tuple(crowd.trees.tree_depth(Stripe(stripe)) for stripe in range(stripes))
    return Joins(len(crowd.trees), crowd.refused, heights, time.process_time() - began)
