"""In which order, and how often, nodes are asked for the moves that the trees owe.

Rules
-----
1. Who shall go under a node that is itself on its way is asked when that one has come: before, it
   would carry its whole subtree to where that node still is, the bottom of the tree perhaps.
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
            elif self._trees.is_moving(target := move.placement.candidates[0].parent, move.stripe):
                self._waiting.setdefault((target, move.stripe), []).append(move)
            else:
                commands += self._redirect(move)
        self._asked = asked
        return commands

    def arrived(self, node: NodeId, stripe: Stripe) -> list[Command]:
        """Return what is to be said because a node has a new parent."""
        if (node, stripe) not in self._waiting or self._trees.is_moving(node, stripe):
            return []
        waiting, trees = self._waiting.pop((node, stripe)), self._trees
        return [
            command
            for move in waiting
            if move.node in trees and trees.moving_to(move.node, stripe) == node
            for command in self._redirect(move)
        ]
