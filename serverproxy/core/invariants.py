"""The invariants of the trees (design, section 5), worked out anew from the links."""

from common.ids import Stripe
from serverproxy.core.graph import Graph
from serverproxy.core.remedies import idle_for
from serverproxy.core.shelves import Member
from serverproxy.core.standbys import is_legal


class InvariantError(AssertionError):
    """The trees are not what they promise; `str()` begins with the number of the invariant."""


def check(graph: Graph, *, settled: bool) -> None:
    """Raise InvariantError where 1 fails, or, of settled trees, any of 1 to 5."""
    for stripe in graph.stripes:
        _check_graph(graph, stripe)
    stale = [member.id for member in graph.stale()]
    _require(not stale, f"1: the shelves are wrong about {stale}")
    _check_sums(graph)
    if not settled:
        return
    for member in graph.members.values():
        _check_member(graph, member)
    for stripe in graph.stripes:
        _check_stripe(graph, stripe)


def _require(truth: bool, sentence: str) -> None:
    if not truth:
        raise InvariantError(sentence)


def _check_graph(graph: Graph, stripe: Stripe) -> None:
    """1: a tree, whole detached subtrees, no cycle, one parent each, one more that it moves to."""
    known = {graph.root, *graph.members.values()}
    for member in known:
        link = member.links[stripe]
        for above, side in ((link.parent, "children"), (link.up, "down")):
            _require(above is None or above in known, f"1: {member.id} hangs under a stranger")
            if above is not None:
                there = _below(above, stripe, side)
                _require(member in there, f"1: {member.id} is none of {above.id}'s {side}")
        for child in link.children:
            _require(child.links[stripe].parent is member, f"1: {child.id} has two parents")
        for child in link.down:
            _require(child.links[stripe].up is member, f"1: {child.id} is going to two parents")
        leaving = sum(child.links[stripe].up is not member for child in link.children)
        _require(leaving == link.leaving, f"1: {member.id} counts {link.leaving} leaving")
    _check_cycles(graph, stripe, known)
    for member in graph.members.values():
        _check_standby(graph, member, stripe, known)


def _check_standby(graph: Graph, member: Member, stripe: Stripe, known: set[Member]) -> None:
    """Links to standbys agree; who needs another one, since a tree has changed, is noted."""
    link = member.links[stripe]
    for backed in link.backs:
        _require(backed.links[stripe].standby is member, f"1: {backed.id} has two standbys")
    standby = link.standby
    if standby is None:
        return
    _require(standby in known, f"1: a stranger stands by for {member.id}")
    _require(member in standby.links[stripe].backs, f"1: {standby.id} backs {member.id}")
    here = link.parent is not None and link.parent is link.up and not member.absent
    legal = is_legal(graph, member, stripe, standby) or not here
    noted = member in graph.restless[stripe]
    _require(legal or noted, f"1: {standby.id} cannot stand by for {member.id}, unnoticed")


def _below(member: Member, stripe: Stripe, side: str) -> dict[Member, None]:
    """Return what hangs under `member`, or will."""
    link = member.links[stripe]
    return link.children if side == "children" else link.down


def _check_cycles(graph: Graph, stripe: Stripe, known: set[Member]) -> None:
    for side in ("children", "down"):
        seen: set[Member] = set()
        tops = [m for m in known if _above(m, stripe, side) is None]
        stack = [(top, 0 if top is graph.root else None) for top in tops]
        while stack:
            member, depth = stack.pop()
            seen.add(member)
            if side == "down":
                stored = member.links[stripe].depth
                _require(stored == depth, f"1: {member.id} has depth {depth}, not {stored}")
            below = None if depth is None else depth + 1
            stack += [(child, below) for child in _below(member, stripe, side)]
        _require(len(seen) == len(known), f"1: a cycle in stripe {stripe} ({side})")


def _above(member: Member, stripe: Stripe, side: str) -> Member | None:
    link = member.links[stripe]
    return link.parent if side == "children" else link.up


def _check_sums(graph: Graph) -> None:
    for stripe in graph.stripes:
        serving = [m for m in graph.members.values() if m.serves == stripe]
        slots = graph.root_slots + sum(member.slots for member in serving)
        _require(graph.slots_in[stripe] == slots, f"1: stripe {stripe} has {slots} slots")
        _require(graph.interior[stripe] == len(serving), f"1: {len(serving)} serve {stripe}")


def _check_member(graph: Graph, member: Member) -> None:
    """2: children in the interior stripe, or shared; 3: no more than slots, but for one excess."""
    if member.serves is None:
        _require(not member.count, f"2: {member.id} serves nothing and has children")
    limit = member.limit
    _require(member.count <= limit, f"3: {member.id} has {member.count} children of {limit}")
    _require(member.load <= limit, f"3: {member.id} will have {member.load} children of {limit}")
    foreign = any(member.links[s].down for s in graph.stripes if s != member.serves)
    counted = member in graph.burdened
    _require(counted or not foreign, f"2: {member.id} has shared children that nobody counts")
    _require(counted or member.load <= member.slots, f"3: {member.id} has an excess uncounted")


def _check_stripe(graph: Graph, stripe: Stripe) -> None:
    """4: not short while a Serve would help; 5: the server proxy sends few copies."""
    if graph.room(stripe) < 0:
        one = idle_for(graph, stripe)
        _require(one is None, f"4: stripe {stripe} is short, a Serve exists")
    link, limit = graph.root.links[stripe], graph.root_slots + graph.repair_slots
    _require(len(link.children) <= limit, f"5: {len(link.children)} copies of stripe {stripe}")
    _require(len(link.down) <= limit, f"5: {len(link.down)} copies of stripe {stripe} to come")
