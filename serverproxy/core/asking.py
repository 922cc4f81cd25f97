"""In which order, and how often, nodes are asked for the moves that the trees owe.

Rules
-----
1. Who shall go under a node that is itself on its way is asked when that one has come: before, it
   would carry its whole subtree to where that node still is, the bottom of the tree perhaps.
   Who shall have the slot of another, under a user's number, is asked when that one has left it.
2. A move that does not happen is given up after `MAX_ASKED` looks, and planned anew.
"""

from collections.abc import Callable, Iterable

from common.ids import NodeId, Stripe
from serverproxy.core.members import Command
from serverproxy.core.tree import Move, Trees

MAX_ASKED = 5
"""Looks in which a node is asked to make the same move, or waits for who has to move first."""


class Asking:
    """Turns moves into what is said to nodes."""

    def __init__(self, trees: Trees, redirect: Callable[[Move], list[Command]]) -> None:
        self._trees, self._redirect = trees, redirect
        self._asked: dict[tuple[NodeId, Stripe], int] = {}
        self._waiting: dict[tuple[NodeId, Stripe], list[Move]] = {}
        """Moves by the node that has to come first; of the last look only."""

    def ask(self, moves: Iterable[Move]) -> list[Command]:
        """Take all moves that are owed now; return what is to be said now."""
        asked, self._waiting = dict[tuple[NodeId, Stripe], int](), {}
        commands = list[Command]()
        for move in moves:
            key = (move.node, move.stripe)
            asked[key] = self._asked.get(key, 0) + 1
            if asked[key] > MAX_ASKED:
                del asked[key]
                self._trees.release(*key)
            elif (first := self._trees.waits_for(*key)) is not None:
                self._waiting.setdefault((first, move.stripe), []).append(move)
            else:
                commands += self._redirect(move)
        self._asked = asked
        return commands

    def arrived(self, node: NodeId, stripe: Stripe) -> list[Command]:
        """Return what is to be said because a node has a new parent."""
        key, trees, commands = (node, stripe), self._trees, list[Command]()
        for move in self._waiting.pop(key, []):
            target = move.placement.candidates[0].parent
            if move.node not in trees or trees.moving_to(move.node, stripe) != target:
                continue
            first = trees.waits_for(move.node, stripe)
            if first is None:
                commands += self._redirect(move)
            else:
                self._waiting.setdefault((first, stripe), []).append(move)
        return commands
