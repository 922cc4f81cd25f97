"""What `ParentSearch` keeps in mind of each stripe, and what it says is to be done."""

from dataclasses import dataclass, field
from typing import TypeAlias

from common.fields import Candidate, LostReason
from common.ids import NodeId, Stripe
from common.messages import AttachedReport, ParentLost

PROBE_WAIT = 0.1
"""Seconds from the first probe until a choice is made among those who have answered."""
ANSWER_WAIT = 1.5
"""Seconds that a candidate may take to answer Probe and Attach, connecting included."""
RESUME_WAIT = 0.5
"""Seconds that a standby may take to answer RESUME."""
STARVED_AFTER = 1.2
"""Seconds for which a starved parent is waited for before the standby is asked: with the silence
that it has waited itself, and a round trip, less than `reorder_timeout`."""
STARVED_ASK = 4.0
"""Seconds after which the server proxy is asked for another parent than a starved one."""
MAX_PASSED = 2
"""Parents that are passed over because they lack what the node needs, before one is taken."""
ASK_AGAIN = 1.0
"""Seconds between two ParentLost of the same stripe without an answer."""
MOST_TRIED = 256
"""Nodes that are remembered as tried; the last `MAX_REDIRECTS` of them are told."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Command: connect to a candidate and probe it."""

    stripe: Stripe
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Ask:
    """Command: send Attach to a candidate, on the link of its probe if there is one."""

    stripe: Stripe
    candidate: Candidate
    orphan: bool
    visited: tuple[NodeId, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Command: connect to a node and ask it to stand by."""

    stripe: Stripe
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Release:
    """Command: say bye to a standby."""

    stripe: Stripe
    node: NodeId


@dataclass(frozen=True, slots=True)
class Resume:
    """Command: ask a standby to feed the stripe, from the first sequence number that is lacking."""

    stripe: Stripe
    node: NodeId


@dataclass(frozen=True, slots=True)
class Drop:
    """Command: close the link with a candidate that was not chosen, or was too slow to answer."""

    stripe: Stripe
    node: NodeId


@dataclass(frozen=True, slots=True)
class LeaveParent:
    """Command: say bye to a parent whose place another has taken."""

    stripe: Stripe
    parent: NodeId


@dataclass(frozen=True, slots=True)
class Tell:
    """Command: send a message on the control link."""

    message: AttachedReport | ParentLost


Command: TypeAlias = Probe | Ask | Hold | Release | Resume | Drop | LeaveParent | Tell


@dataclass(slots=True)
class Seek:
    """One search for a parent."""

    waiting: dict[NodeId, Candidate] = field(default_factory=dict)
    """Probed, no answer yet."""
    answered: dict[NodeId, tuple[float, int, Candidate]] = field(default_factory=dict)
    """Score, order of arrival, candidate."""
    asked: Candidate | None = None
    choose_at: float = 0.0
    give_up_at: float = 0.0
    redirects: int = 0


@dataclass(slots=True)
class StripeSearch:
    """The parent of one stripe, and the search for it."""

    parent: NodeId | None = None
    previous: NodeId | None = None
    """The parent that is left once the new one delivers."""
    seek: Seek | None = None
    tried: list[NodeId] = field(default_factory=list)
    orphan: bool = False
    ask_at: float | None = None
    passed: int = 0
    """Parents passed over because they lack what the node needs."""
    lost: NodeId | None = None
    """The parent that was lost last, until there is another."""
    reason: LostReason = "refused"
    suspect: bool = False
    """The parent is silent: another one is looked for, but it is not left yet."""
    unanswered: bool = False
    """The server proxy was asked and has not answered."""
    refusals: dict[NodeId, str] = field(default_factory=dict)
    """Why the last `MAX_REDIRECTS` of those that were asked did not become the parent."""
    in_vain: int = 0
    """Times that all were asked in vain, and the server proxy knew nobody else."""
    starved_since: float | None = None
    left_by: list[Candidate] = field(default_factory=list)
    """Children that have gone while this node lacked a parent: they have what it lacks."""

    @property
    def known(self) -> set[NodeId | None]:
        """Who need not be asked: tried in vain, or a parent, or just about to be left."""
        return {*self.tried, self.parent, self.previous}
