"""What an operator may want of a node: that it moves, has no children, or goes.

Every order goes the way failures do: a Redirect is followed make before break, slots that are gone
are repaired by moving children, who is sent away hands its children over first. No packet is lost.
"""

from common.errors import ProxyError
from common.ids import ROOT, NodeId, Stripe
from common.messages import Redirect
from serverproxy.core.members import Command, Send
from serverproxy.core.membership import Membership


class OrderError(ProxyError):
    """What is wanted cannot be done now; the message says why."""


def move(
    membership: Membership, node: NodeId, stripe: Stripe, parent: NodeId | None
) -> tuple[NodeId, list[Command]]:
    """Ask a node to take another parent: this one, or the best there is. Return who it will be.

    Raises OrderError. A move that does not happen is asked for again, a few times.
    """
    trees = membership.trees
    source = trees.parent(node, stripe)
    _check_can_be_told(membership, node)
    if source is None:
        raise OrderError(f"{node} has no parent in stripe {stripe}: it is looking for one already")
    avoid: set[NodeId] = set()
    if parent is not None:
        _check_parent(membership, node, stripe, parent)
        avoid = {ROOT, *membership.members} - {parent}
    placement = trees.place(node, stripe, avoid=avoid)
    if placement is None:
        nobody = "nobody else has a slot" if parent is None else f"{parent} has no slot"
        raise OrderError(f"{nobody} for {node} in stripe {stripe}")
    targets = membership.candidates(stripe, placement).candidates
    redirect = Redirect(stripe=stripe, parent=source, targets=targets)
    serve = [] if placement.serve is None else [membership.serve(placement.serve)]
    return placement.candidates[0].parent, [*serve, Send(node, redirect)]


def drain(membership: Membership, node: NodeId, *, drained: bool) -> list[Command]:
    """Let a node have no children, or its slots again. Raises OrderError."""
    _check_can_be_told(membership, node)
    return membership.drain(node, drained=drained)


def kick(membership: Membership, node: NodeId, sentence: str, now: float) -> list[Command]:
    """Send a node away: its players are told `sentence`. Raises OrderError.

    One that does not go is shut out a few seconds later.
    """
    _check_can_be_told(membership, node)
    return membership.send_away(node, sentence, now)


def _check_can_be_told(membership: Membership, node: NodeId) -> None:
    if membership.members[node].away_since is not None:
        raise OrderError(f"{node} is away: its control link is down, so it cannot be told")


def _check_parent(membership: Membership, node: NodeId, stripe: Stripe, parent: NodeId) -> None:
    trees = membership.trees
    if parent != ROOT and parent not in membership.members:
        raise OrderError(f"there is no node {parent}")
    if parent == trees.parent(node, stripe):
        raise OrderError(f"{parent} is the parent of {node} in stripe {stripe} already")
    if parent != ROOT and trees.in_subtree(parent, node, stripe):
        raise OrderError(f"{parent} hangs below {node} in stripe {stripe}")
    if parent != ROOT:
        _check_can_be_told(membership, parent)
