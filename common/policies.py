"""SpreadIt's redirect policies: whom a saturated parent names, and where orphans go (section V).

Rules
-----
1. A node with a free slot takes whoever asks; a saturated one knows its parent, its children, and
   what a newcomer says of itself. An `AddPolicy` says whether the newcomer takes a child's place,
   and if not, to which of the children that serve the stripe it is sent. `common.children` asks.
2. A `DeletePolicy` says where the children of a node go that leaves or dies, and whether all its
   descendants go there by themselves. The nodes ask it with the path that their parent told them.
3. Nobody oscillates: places are taken by newcomers, never by orphans; only by who can take the
   child under it; and only with more slots, or a round trip shorter by `NEARER`. So each change
   lifts a figure of the parent that no later one lowers.

Nearness is the round trip of a Probe, measured by the newcomer. A policy that names several
children leaves the choice to it: it probes them and takes the nearest (`by_rtt`). Where the parent
compares, the newcomer probes it first (`measured`) and says `rtt_us` in Attach.

For a simulation: `add_policy(name, randrange)` and `delete_policy(name)` are all there is. Give the
first to `Children(..., policy=...)`, one instance for each parent, and `way_in(join, add, delete)`
to `ParentSearch`; on the server's side `RedirectMembership` takes the place of `Membership`. What
the cores leave to the shell is `DeletePolicy.everyone`: who loses a parent, or is told so by it,
sends its children to the target too (`clientproxy.net.uplink`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from common.fields import AddPolicyName, Candidate, DeletePolicyName, JoinMode, PathEntry
from common.ids import NodeId, Stripe

NEARER = 0.8
"""A newcomer takes the farthest child's place with at most this share of its round trip."""
NEARER_BY_US = 1_000
"""And by so many microseconds at least: what probes tell apart on a network."""


class Peer(Protocol):
    """A newcomer or a child, as a parent knows it in one stripe."""

    @property
    def node(self) -> NodeId:
        """Its id."""

    @property
    def stripe(self) -> Stripe:
        """The stripe that it asked for."""

    @property
    def slots(self) -> int:
        """Children that it may have in this stripe."""

    @property
    def rtt_us(self) -> int | None:
        """Round trip to the parent, in microseconds; None: not measured."""


P = TypeVar("P", bound=Peer)


class AddPolicy:
    """What a saturated parent does with a newcomer: here it names all its children."""

    by_rtt = False
    """A newcomer takes the nearest of the children named, whatever their delay."""
    measured = False
    """A newcomer probes whom it asks, even if there is nobody to compare."""
    overcommits = False
    """An orphan is taken above the slots rather than sent on; else only where nobody is left."""

    def displaced(self, newcomer: Peer, children: Sequence[P]) -> P | None:
        """Return the child whose place the newcomer takes, and that goes under it; None: none."""
        return None

    def targets(self, newcomer: Peer, children: Sequence[P]) -> Sequence[P]:
        """Return to which of these children, at least one, the newcomer is sent."""
        return children


class Directory(AddPolicy):
    """What `join: directory` has: the server proxy moves an orphan that is one too many."""

    overcommits = True


class RandomChild(AddPolicy):
    """One of the children, by lot."""

    def __init__(self, randrange: Callable[[int], int]) -> None:
        """`randrange(n)` returns a number from 0 to n - 1."""
        self._randrange = randrange

    def targets(self, newcomer: Peer, children: Sequence[P]) -> Sequence[P]:
        """Conform to AddPolicy."""
        return (children[self._randrange(len(children))],)


class RoundRobin(AddPolicy):
    """The head of a list of the children, which then goes to its end."""

    def __init__(self) -> None:
        """Start with empty lists, one for each stripe."""
        self._lists: dict[Stripe, list[NodeId]] = {}

    def targets(self, newcomer: Peer, children: Sequence[P]) -> Sequence[P]:
        """Conform to AddPolicy."""
        known = {child.node: child for child in children}
        order = [node for node in self._lists.get(newcomer.stripe, ()) if node in known]
        order += [node for node in known if node not in order]
        head = order.pop(0)
        self._lists[newcomer.stripe] = [*order, head]
        return (known[head],)


class SmartPlacement(AddPolicy):
    """The child nearest to the newcomer: all are named, and it probes them."""

    by_rtt = True


class KnockDown(SmartPlacement):
    """A newcomer that is nearer to the parent than its farthest child takes that child's place."""

    measured = True

    def displaced(self, newcomer: Peer, children: Sequence[P]) -> P | None:
        """Conform to AddPolicy."""
        if newcomer.rtt_us is None or not newcomer.slots:
            return None
        farthest = max(children, key=lambda child: child.rtt_us or 0, default=None)
        if farthest is None or farthest.rtt_us is None:
            return None
        limit = min(farthest.rtt_us * NEARER, farthest.rtt_us - NEARER_BY_US)
        return farthest if newcomer.rtt_us <= limit else None


class SmartBandwidth(RoundRobin):
    """A newcomer with more slots takes the place of the child with the fewest; else round robin."""

    def displaced(self, newcomer: Peer, children: Sequence[P]) -> P | None:
        """Conform to AddPolicy."""
        least = min(children, key=lambda child: child.slots, default=None)
        return least if least is not None and least.slots < newcomer.slots else None


def add_policy(name: AddPolicyName | None, randrange: Callable[[int], int]) -> AddPolicy:
    """Return a new policy for one parent; None: that of `join: directory`."""
    match name:
        case None:
            return Directory()
        case "random":
            return RandomChild(randrange)
        case "round_robin":
            return RoundRobin()
        case "smart_placement":
            return SmartPlacement()
        case "knock_down":
            return KnockDown()
        case "smart_bandwidth":
            return SmartBandwidth()


@dataclass(frozen=True, slots=True)
class DeletePolicy:
    """Where the children of a node go that leaves or dies."""

    to_root: bool
    """To the server proxy; else to the parent of the node that is gone."""
    everyone: bool
    """All its descendants go there, each by itself; else its children take their subtrees along."""

    def target(self, path: Sequence[PathEntry]) -> PathEntry | None:
        """Return whom to ask; `path` is the way from the server proxy to the node that is gone.

        None where that node was the server proxy itself.
        """
        above = path[:-1]
        if not above:
            return None
        return above[0] if self.to_root else above[-1]

    def targets(self, path: Sequence[PathEntry]) -> list[Candidate]:
        """Return the same as the targets of a redirect: one or none."""
        to = self.target(path)
        return [] if to is None else [Candidate(to.node, to.addresses, 0.0, available=False)]


def delete_policy(name: DeletePolicyName) -> DeletePolicy:
    """Return the policy of that name."""
    return DeletePolicy(to_root=name.startswith("root"), everyone=name.endswith("_all"))


def way_in(join: JoinMode, add: AddPolicyName, delete: DeletePolicyName) -> "WayIn":
    """Return what the nodes of a channel make of its Offer."""
    if join == "directory":
        return WayIn()
    policy = add_policy(add, lambda _: 0)
    return WayIn(
        redirect=True,
        by_rtt=policy.by_rtt,
        measured=policy.measured,
        delete=delete_policy(delete),
    )


@dataclass(frozen=True, slots=True)
class WayIn:
    """How the nodes of a channel look for parents, as the Offer says. The default: directory."""

    redirect: bool = False
    """From the server proxy down, by redirects alone."""
    by_rtt: bool = False
    measured: bool = False
    delete: DeletePolicy = DeletePolicy(to_root=False, everyone=False)
