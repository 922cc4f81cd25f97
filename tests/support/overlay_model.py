"""An overlay without sockets and clocks: the real decisions of server proxy, nodes and parents.

`Membership` talks with nodes that are a real `ParentSearch` and real `Children`. Messages of a
control link arrive in order and are lost with it; what different links carry comes in any order.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from clientproxy.core import joining
from clientproxy.core.join import ParentSearch
from common.attach import Attach, ProbeReply
from common.child import candidate
from common.children import Admit, Children, SendAway
from common.fields import Candidate, LostReason, StripeReport, StripeState
from common.ids import ROOT, NodeId, Stripe
from common.messages import (
    VERSION,
    Candidates,
    ChildLost,
    FromNode,
    Leave,
    MakeWay,
    Message,
    Redirect,
    Report,
    Serve,
)
from serverproxy.core import members
from serverproxy.core.members import (
    ControlLost,
    Forgotten,
    Joined,
    MakeOffer,
    Rejoined,
    Send,
    Told,
)
from serverproxy.core.membership import Membership
from serverproxy.core.tree import Trees

STRIPES = (Stripe(0), Stripe(1))
MOST_AT_ONCE = 2_000
"""Steps without time passing beyond which somebody runs in a circle."""
REPORT_EVERY = 2.0
REPAIR_GRACE = 10.0


@dataclass(eq=False)
class ModelNode:
    """A node: what it was told, its parents, its children."""

    name: NodeId
    addresses: tuple[str, ...]
    max_children: int | None
    offer: MakeOffer
    children: Children
    serve: Stripe | None
    search: ParentSearch = field(default_factory=lambda: ParentSearch(len(STRIPES)))
    control_up: bool = True
    leaving: bool = False
    """It looks for no parent any more."""
    outbox: deque[FromNode] = field(default_factory=deque)
    inbox: deque[Message] = field(default_factory=deque)

    def serving(self, serve: int | None, slots: int) -> None:
        self.serve, self.children.slots = None if serve is None else Stripe(serve), slots


class Model:
    """All of one channel. `actions` are what may happen next, each in its own time."""

    def __init__(self, *, away_grace: float = 10.0, repair_slots: int = 1) -> None:
        self.trees = Trees(stripes=len(STRIPES), repair_slots=repair_slots)
        self.membership = Membership(self.trees, stripes=len(STRIPES), away_grace=away_grace)
        self.root = Children(slots=1, spare=repair_slots, per_stripe=True)
        self.nodes: dict[NodeId, ModelNode] = {}
        self.refused: list[NodeId] = []
        self.asked = 0
        """Attach requests so far."""
        self.now = 0.0
        self._jobs: deque[Callable[[], None]] = deque()
        self._links: set[tuple[NodeId, Stripe, NodeId]] = set()
        self._redirected: deque[tuple[float, NodeId, Stripe, NodeId]] = deque()
        self._born = 0

    # --- what happens from outside

    def join(self, max_children: int | None, *, reachable: bool = True) -> NodeId:
        self._born += 1
        name = NodeId(f"n{self._born}")
        addresses = (f"10.0.0.{self._born}:1",) if reachable else ()
        self._handle(Joined(node=name, addresses=addresses, max_children=max_children))
        return name

    def die(self, name: NodeId) -> None:
        node = self.nodes.pop(name)
        links = [link for link in self._links if name in (link[0], link[2])]
        self._links.difference_update(links)
        for child, stripe, parent in links:
            if parent == name:
                self._later(partial(self._parent_ended, child, stripe, name, "closed"))
            else:
                self._later(partial(self._child_ended, parent, stripe, name))
        if node.control_up:
            self._later(lambda: self._handle(ControlLost(name)))

    def leave(self, name: NodeId) -> None:
        """Leave in good order: Leave first, then children are redirected, then links end.

        The links end once every child has another parent, or with `go`.
        """
        node = self.nodes[name]
        self._tell(node, Leave())
        node.leaving = True
        for child in node.children:
            targets = self._heirs(node, child.stripe, child.node)
            self._later(partial(self._redirect, child.node, child.stripe, name, targets))
        self._later(partial(self._go_when_alone, node))

    def go(self, name: NodeId) -> None:
        """End the links of a node that leaves, if it has not gone already."""
        if name in self.nodes:
            self.die(name)

    def _heirs(self, node: ModelNode, stripe: Stripe, child: NodeId) -> list[Candidate]:
        path = self.path(node.name, stripe)[1:2]
        siblings = [o for o in node.children.of(stripe) if o.node != child and not o.leaf]
        above = [self._candidate(one) for one in path]
        return [*map(candidate, siblings), *above]

    def _candidate(self, name: NodeId) -> Candidate:
        addresses = () if name == ROOT else self.nodes[name].addresses
        return Candidate(name, addresses, 0.0, available=False)

    def _go_when_alone(self, node: ModelNode) -> None:
        if self.nodes.get(node.name) is node and not list(node.children):
            self.die(node.name)

    def lose_control(self, name: NodeId) -> None:
        node = self.nodes[name]
        node.control_up = False
        node.outbox.clear()
        node.inbox.clear()
        self._handle(ControlLost(name))

    def rejoin(self, name: NodeId) -> None:
        node = self.nodes[name]
        node.control_up = True
        states = tuple(
            StripeState(s, node.serve == s, node.search.parent(s), self._child_names(node, s), 0)
            for s in STRIPES
        )
        self._handle(
            Rejoined(
                node=name,
                addresses=node.addresses,
                max_children=node.max_children,
                stripes=states,
            )
        )

    def cut(self, name: NodeId, stripe: Stripe) -> None:
        """Break the link of a node to its parent."""
        parent = self.nodes[name].search.parent(stripe)
        if parent is not None and (name, stripe, parent) in self._links:
            self._links.remove((name, stripe, parent))
            self._later(lambda: self._parent_ended(name, stripe, parent, "closed"))
            self._later(lambda: self._child_ended(parent, stripe, name))

    def report(self, name: NodeId) -> None:
        node = self.nodes[name]
        stripes = tuple(
            StripeReport(s, node.search.parent(s), 0.0, 0, 0, 0, self._child_names(node, s))
            for s in STRIPES
        )
        self._tell(
            node, Report(sent_us=0, delay=0.01, stripes=stripes, players=0, delivered=0, lost=0)
        )

    # --- time

    def actions(self) -> list[Callable[[], None]]:
        """Return everything that may happen next."""
        found: list[Callable[[], None]] = []
        if self._jobs:
            found.append(self._run_job)
        for node in self.nodes.values():
            if node.outbox:
                found.append(partial(self._hear, node))
            if node.inbox:
                found.append(partial(self._take, node))
        return found

    def run(self) -> None:
        """Let everything happen that takes no time."""
        for _ in range(MOST_AT_ONCE):
            actions = self.actions()
            if not actions:
                return
            for action in actions:
                action()
        raise AssertionError(f"somebody runs in a circle: {self.describe()}")

    def wait(self, seconds: float) -> None:
        """Let time pass, with all that falls due in it."""
        end = self.now + seconds
        report_at = self.now
        self.run()
        for _ in range(MOST_AT_ONCE):
            deadlines = [node.search.next_deadline() for node in self.nodes.values()]
            deadlines += [self.membership.next_deadline(), report_at, end]
            self.now = max(self.now, min(one for one in deadlines if one is not None))
            if self.now >= report_at:
                report_at += REPORT_EVERY
                for name in self.nodes:
                    self.report(name)
            self.expire()
            self.run()
            if self.now >= end:
                return
        raise AssertionError(f"timers run in a circle: {self.describe()}")

    def expire(self) -> None:
        self._do(self.membership.expire(self.now))
        while self._redirected and self._redirected[0][0] <= self.now:
            _, parent, stripe, leaf = self._redirected.popleft()
            if parent == ROOT or parent in self.nodes:
                self._children(parent).stayed(leaf, stripe)
        for node in list(self.nodes.values()):
            self._carry_out(node, node.search.expire([0] * len(STRIPES), self.now))

    # --- what is

    def path(self, name: NodeId, stripe: Stripe) -> list[NodeId]:
        """Return the way up from a node as the links have it; ROOT is the end of a whole one."""
        path = [name]
        while path[-1] != ROOT:
            above = None
            if path[-1] in self.nodes:
                above = self.nodes[path[-1]].search.parent(stripe)
            if above is None or (path[-1], stripe, above) not in self._links:
                break
            assert above not in path, f"cycle in stripe {stripe}: {[*path, above]}"
            path.append(above)
        return path

    def homeless(self) -> list[tuple[NodeId, Stripe]]:
        """Return who does not get which stripe."""
        every = [(name, stripe) for name in self.nodes for stripe in STRIPES]
        return [place for place in every if self.path(*place)[-1] != ROOT]

    def describe(self) -> str:
        lines = [
            f"{name} serves {node.serve} slots {node.children.slots} "
            f"parents {[node.search.parent(s) for s in STRIPES]} "
            f"children {[self._child_names(node, s) for s in STRIPES]} "
            f"trees {self._in_trees(name)}"
            for name, node in self.nodes.items()
        ]
        root = [[child.node for child in self.root.of(s)] for s in STRIPES]
        return "\n".join([f"at {self.now}, root's children {root}", *lines])

    def _in_trees(self, name: NodeId) -> list[NodeId | None]:
        return [self.trees.parent(name, s) for s in STRIPES] if name in self.trees else []

    # --- the server proxy

    def _handle(self, event: members.Event) -> None:
        self._do(self.membership.handle(event, self.now))

    def _do(self, commands: Sequence[members.Command]) -> None:
        for command in commands:
            match command:
                case MakeOffer():
                    self._offered(command)
                case Send(name, message):
                    if isinstance(message, MakeWay) and name == ROOT:
                        self._expect(self.root, message)
                    elif (node := self.nodes.get(name)) is not None and node.control_up:
                        node.inbox.append(message)
                case members.Refuse(name):
                    self.refused.append(name)
                case Forgotten():
                    pass
        self.trees.check(settled=False)

    def _offered(self, offer: MakeOffer) -> None:
        known = self.nodes.get(offer.node)
        if known is not None:
            known.serving(offer.serve, offer.slots)
            self._carry_out(known, known.search.ask_again([0] * len(STRIPES), self.now))
            return
        member = self.membership.members[offer.node]
        spare = 1 if member.max_children is None else 0
        children = Children(slots=offer.slots, spare=spare)
        node = ModelNode(
            offer.node, offer.addresses, member.max_children, offer, children, offer.serve
        )
        self.nodes[offer.node] = node
        for one in offer.parents:
            commands = node.search.candidates(Stripe(one.stripe), one.candidates, 1.0, self.now)
            self._carry_out(node, commands)

    def _hear(self, node: ModelNode) -> None:
        self._handle(Told(node.name, node.outbox.popleft()))

    # --- nodes

    def _tell(self, node: ModelNode, message: FromNode) -> None:
        if node.control_up and not node.leaving:
            node.outbox.append(message)

    def _take(self, node: ModelNode) -> None:
        match node.inbox.popleft():
            case Candidates(parents=parents, retry_after=retry_after):
                stripe = Stripe(parents.stripe)
                commands = node.search.candidates(stripe, parents.candidates, retry_after, self.now)
                self._carry_out(node, commands)
            case Redirect(stripe=stripe, parent=parent, targets=targets):
                self._redirect(node.name, Stripe(stripe), NodeId(parent), targets)
            case Serve(serve=serve, slots=slots, addresses=addresses):
                node.addresses = addresses
                node.serving(serve, slots)
            case MakeWay() as way:
                self._expect(node.children, way)
            case _:
                pass

    def _expect(self, children: Children, way: MakeWay) -> None:
        children.make_way(Stripe(way.stripe), NodeId(way.node), NodeId(way.child), self.now)

    def _redirect(
        self, name: NodeId, stripe: Stripe, parent: NodeId, targets: Sequence[Candidate]
    ) -> None:
        if (node := self.nodes.get(name)) is not None:
            self._carry_out(node, node.search.redirected(stripe, parent, targets, self.now))

    def _carry_out(self, node: ModelNode, commands: Sequence[joining.Command]) -> None:
        for command in commands:
            match command:
                case joining.Probe(stripe, candidate):
                    self._later(partial(self._probe, node, stripe, candidate))
                case joining.Ask():
                    self._later(partial(self._ask, node, command))
                case joining.LeaveParent(stripe, parent):
                    self._links.discard((node.name, stripe, parent))
                    self._later(partial(self._child_left, parent, stripe, node.name))
                case joining.Tell(message):
                    self._tell(node, message)
                case joining.Drop():
                    pass
                case joining.Hold() | joining.Release() | joining.Resume():
                    raise AssertionError("no node of the model is told a path")

    def _probe(self, node: ModelNode, stripe: Stripe, candidate: Candidate) -> None:
        target = NodeId(candidate.node)
        if self.nodes.get(node.name) is not node:
            return
        if not self._is_there(candidate):
            self._carry_out(node, node.search.failed(stripe, target, self.now))
            return
        held = tuple(s for s in STRIPES if self.path(target, s)[-1] == ROOT)
        reply = ProbeReply(stripes=held, newest=0, delay=0.0, free_slots=0)
        self._carry_out(node, node.search.probed(stripe, target, reply, 0.001, self.now))

    def _is_there(self, candidate: Candidate) -> bool:
        target = NodeId(candidate.node)
        return target == ROOT or (target in self.nodes and bool(candidate.addresses))

    def _ask(self, node: ModelNode, command: joining.Ask) -> None:
        stripe, target = command.stripe, NodeId(command.candidate.node)
        if self.nodes.get(node.name) is not node:
            return
        self.asked += 1
        path = self.path(target, stripe) if self._is_there(command.candidate) else []
        if not path or path[-1] != ROOT:
            self._carry_out(node, node.search.failed(stripe, target, self.now))
            return
        request = Attach(
            version=VERSION,
            channel="cam",
            stripe=stripe,
            node=node.name,
            group_key="key",
            serve=node.serve,
            slots=node.children.slots,
            addresses=node.addresses,
            start=0,
            orphan=command.orphan,
        )
        match self._children(target).ask(request, path):
            case Admit(dismiss):
                self._admitted(node, stripe, target)
                if dismiss is not None:
                    self._splice(target, stripe, dismiss, node.name)
                    self._links.discard((dismiss, stripe, target))
                    self._later(lambda: self._parent_ended(dismiss, stripe, target, "closed"))
            case SendAway(targets):
                commands = node.search.sent_on(stripe, target, targets, self.now)
                self._carry_out(node, commands)
            case _:
                self._carry_out(node, node.search.failed(stripe, target, self.now))

    def _admitted(self, node: ModelNode, stripe: Stripe, parent: NodeId) -> None:
        name = node.name
        self._links.add((name, stripe, parent))
        if parent == ROOT:
            self._do(self.membership.root_child_taken(stripe, name))
        self._carry_out(node, node.search.accepted(stripe, parent, 0))
        if node.search.parent(stripe) == parent:
            self._later(lambda: self._delivered(node, stripe, parent))

    def _delivered(self, node: ModelNode, stripe: Stripe, parent: NodeId) -> None:
        if self.nodes.get(node.name) is not node or (node.name, stripe, parent) not in self._links:
            return
        self._carry_out(node, node.search.delivered(stripe, parent))
        leaf = self._children(parent).caught_up(node.name, stripe)
        if leaf is not None:
            self._splice(parent, stripe, leaf, node.name)

    def _splice(self, parent: NodeId, stripe: Stripe, leaf: NodeId, newcomer: NodeId) -> None:
        target = self._children(parent).target(newcomer, stripe)
        if target is not None:
            self._redirected.append((self.now + REPAIR_GRACE, parent, stripe, leaf))
            self._later(lambda: self._redirect(leaf, stripe, parent, [target]))

    # --- ends of links

    def _parent_ended(
        self, name: NodeId, stripe: Stripe, parent: NodeId, reason: LostReason
    ) -> None:
        if (name, stripe, parent) in self._links:
            return
        if (node := self.nodes.get(name)) is not None:
            self._carry_out(node, node.search.ended(stripe, parent, reason, 0, self.now))

    def _child_left(self, parent: NodeId, stripe: Stripe, child: NodeId) -> None:
        gone = parent != ROOT and parent not in self.nodes
        if not gone and (child, stripe, parent) not in self._links:
            self._children(parent).gone(child, stripe)
            if parent != ROOT and self.nodes[parent].leaving:
                self._later(partial(self._go_when_alone, self.nodes[parent]))

    def _child_ended(self, parent: NodeId, stripe: Stripe, child: NodeId) -> None:
        if (child, stripe, parent) in self._links:
            return
        self._child_left(parent, stripe, child)
        if parent == ROOT:
            self._do(self.membership.root_child_lost(stripe, child))
        elif (node := self.nodes.get(parent)) is not None:
            self._tell(node, ChildLost(stripe=stripe, child=child, reason="closed"))

    def _children(self, name: NodeId) -> Children:
        return self.root if name == ROOT else self.nodes[name].children

    def _child_names(self, node: ModelNode, stripe: Stripe) -> tuple[NodeId, ...]:
        return tuple(child.node for child in node.children.of(stripe))

    # --- jobs

    def _later(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)

    def _run_job(self) -> None:
        self._jobs.popleft()()
