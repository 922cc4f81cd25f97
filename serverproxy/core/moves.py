"""What the trees ask nodes for, and how a move is planned."""

from dataclasses import dataclass

from common.ids import NodeId, Stripe
from serverproxy.core.graph import Graph
from serverproxy.core.placement import Planner
from serverproxy.core.places import Found, Placement, Query


@dataclass(frozen=True, slots=True)
class Move:
    """Redirect `node` from `source` to the candidates of `placement`."""

    node: NodeId
    source: NodeId
    placement: Placement

    @property
    def stripe(self) -> Stripe:
        """The stripe in which it moves."""
        return self.placement.stripe


@dataclass(frozen=True, slots=True)
class ServeNow:
    """Tell `node` that its interior stripe is `stripe` now."""

    node: NodeId
    stripe: Stripe


Remedy = Move | ServeNow


class Mover:
    """Plans moves; each is reserved."""

    def __init__(self, graph: Graph, planner: Planner) -> None:
        self._graph, self._planner = graph, planner

    def _move(self, query: Query, found: Found) -> list[Remedy]:
        source = query.member.links[query.stripe].parent
        placement = self._planner.reserve(query, found)
        moves: list[Remedy] = []
        if placement.serve is not None:
            moves.append(ServeNow(placement.serve, query.stripe))
        if source is not None:
            moves.append(Move(query.member.id, source.id, placement))
        return moves
