"""A channel with `join: redirect`, without sockets: the real cores of server proxy and nodes.

Nodes lie on a line; the round trip between two of them is their distance, and a millisecond. What
is said arrives in order and at once; time passes only where somebody waits for it.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from clientproxy.core import joining
from clientproxy.core.join import ParentSearch
from common.attach import Attach, ProbeReply
from common.children import Admit, Children, Refuse, SendAway
from common.fields import (
    AddPolicyName,
    Candidate,
    DeletePolicyName,
    LostReason,
    PathEntry,
    ServeFrame,
)
from common.ids import ROOT, NodeId, Stripe
from common.messages import VERSION, Candidates, ChildLost, FromNode, Redirect, Serve
from common.policies import AddPolicy, add_policy, way_in
from serverproxy.core import members
from serverproxy.core.redirection import RedirectMembership
from serverproxy.core.tree import Trees

STEP = 0.1
MOST_AT_ONCE = 50_000
"""Jobs without time passing beyond which somebody runs in a circle."""
SLOW = 0.001


@dataclass(eq=False)
class ModelNode:
    """A node, and where it lies."""

    name: NodeId
    addresses: tuple[str, ...]
    at: float
    children: Children
    search: ParentSearch
    serve: Stripe | None
    asked: int = 0
    """Times that it has sent Attach or RESUME."""
    paths: dict[Stripe, tuple[PathEntry, ...]] = field(default_factory=dict)
    """From the server proxy to its parents, as they have told."""


class RedirectModel:
    """All of one channel."""

    def __init__(
        self,
        add: AddPolicyName,
        delete: DeletePolicyName = "root",
        *,
        stripes: int = 1,
        repair_slots: int = 1,
        seed: int = 0,
    ) -> None:
        self.random = random.Random(seed)
        self.stripes = [Stripe(number) for number in range(stripes)]
        self.trees = Trees(stripes=stripes, repair_slots=repair_slots, follow=True)
        self.membership = RedirectMembership(self.trees, stripes=stripes, away_grace=10.0)
        self.root = Children(slots=1, spare=repair_slots, per_stripe=True, policy=self._policy(add))
        self.nodes: dict[NodeId, ModelNode] = {}
        self.now = 0.0
        self._add, self._way = add, way_in("redirect", add, delete)
        self._jobs: deque[Callable[[], None]] = deque()
        self._born = 0

    def _policy(self, add: AddPolicyName) -> AddPolicy:
        return add_policy(add, self.random.randrange)

    # --- what happens from outside

    def join(self, max_children: int | None) -> ModelNode:
        """Let a node join, until it has a parent in every stripe or nobody takes it."""
        self._born += 1
        name = NodeId(f"n{self._born}")
        self._handle(members.Joined(node=name, addresses=(f"{name}:1",), max_children=max_children))
        self.run()
        return self.nodes[name]

    def die(self, name: NodeId) -> None:
        """Kill a node: who is linked with it learns of it in any order."""
        gone = self.nodes.pop(name)
        jobs: list[Callable[[], None]] = []
        for stripe in self.stripes:
            if (parent := gone.search.parent(stripe)) is not None:
                jobs.append(partial(self._child_lost, parent, stripe, name))
            jobs += [
                partial(self._parent_lost, child.node, stripe, name)
                for child in gone.children.of(stripe)
            ]
        jobs.append(partial(self._handle, members.ControlLost(name)))
        self.random.shuffle(jobs)
        self._jobs += jobs
        self.run()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self.now += STEP
            self._do(self.membership.expire(self.now))
            for node in list(self.nodes.values()):
                deadline = node.search.next_deadline()
                if deadline is not None and deadline <= self.now:
                    self._tell_paths(node)
                    self._carry_out(node, node.search.expire([0] * len(self.stripes), self.now))
            self.run()

    # --- what is

    def path(self, name: NodeId, stripe: Stripe) -> list[NodeId]:
        """Return the way up; ROOT is the end of a whole one. Fails where it is a circle."""
        path = [name]
        while path[-1] != ROOT and path[-1] in self.nodes:
            above = self.nodes[path[-1]].search.parent(stripe)
            if above is None:
                break
            assert above not in path, f"circle in stripe {stripe}: {[*path, above]}"
            path.append(above)
        return path

    def homeless(self) -> list[tuple[NodeId, Stripe]]:
        """Return who does not get which stripe."""
        every = [(name, stripe) for name in self.nodes for stripe in self.stripes]
        return [place for place in every if self.path(*place)[-1] != ROOT]

    def depth(self) -> int:
        """Return the depth of the deepest node."""
        every = [(name, stripe) for name in self.nodes for stripe in self.stripes]
        return max((len(self.path(*place)) - 1 for place in every), default=0)

    def check(self) -> None:
        """Fail where parent and child do not agree, or a parent has too many children."""
        for parent in (ROOT, *self.nodes):
            children = self._children(parent)
            for stripe in self.stripes:
                assert children.free(stripe) >= -1, f"{parent} has too many children"
                for child in children.of(stripe):
                    assert self.nodes[child.node].search.parent(stripe) == parent
        self.trees.check(settled=False)

    # --- the server proxy

    def _handle(self, event: members.Event) -> None:
        self._do(self.membership.handle(event, self.now))

    def _do(self, commands: Sequence[members.Command]) -> None:
        for command in commands:
            match command:
                case members.MakeOffer():
                    self._offered(command)
                case members.Send(name, message):
                    if (node := self.nodes.get(name)) is not None:
                        self._jobs.append(partial(self._take, node, message))
                case _:
                    pass

    def _offered(self, offer: members.MakeOffer) -> None:
        hard = self.membership.members[offer.node].max_children is not None
        children = Children(
            slots=offer.slots, spare=0 if hard else 1, policy=self._policy(self._add)
        )
        search = ParentSearch(len(self.stripes), self._way)
        at = self.random.random()
        node = ModelNode(offer.node, offer.addresses, at, children, search, offer.serve)
        self.nodes[offer.node] = node
        for one in offer.parents:
            stripe = Stripe(one.stripe)
            self._carry_out(node, search.candidates(stripe, one.candidates, 1.0, self.now))

    # --- nodes

    def _take(self, node: ModelNode, message: object) -> None:
        search = node.search
        match message:
            case Candidates(parents=parents, retry_after=after):
                stripe = Stripe(parents.stripe)
                commands = search.candidates(stripe, parents.candidates, after, self.now)
                self._carry_out(node, commands)
            case Redirect(stripe=stripe, parent=source, targets=targets):
                self._redirect(node.name, Stripe(stripe), NodeId(source), targets)
            case Serve(serve=serve, slots=slots, addresses=addresses):
                node.serve, node.children.slots = None if serve is None else Stripe(serve), slots
                for stripe in self.stripes:
                    if (parent := search.parent(stripe)) is not None:
                        frame = ServeFrame(serve, slots, addresses)
                        self._children(parent).served(node.name, stripe, frame)
            case _:
                pass

    def _redirect(
        self, name: NodeId, stripe: Stripe, parent: NodeId, targets: Sequence[Candidate]
    ) -> None:
        if (node := self.nodes.get(name)) is not None:
            self._carry_out(node, node.search.redirected(stripe, parent, targets, self.now))

    def _pass_on(self, name: NodeId, stripe: Stripe, targets: Sequence[Candidate]) -> None:
        """Send all children, and all descendants after them, to these (`uplink`, `downlink`)."""
        for child in self._children(name).of(stripe):
            self._jobs.append(partial(self._everyone, child.node, stripe, name, targets))

    def _everyone(
        self, name: NodeId, stripe: Stripe, parent: NodeId, targets: Sequence[Candidate]
    ) -> None:
        if name in self.nodes and self.nodes[name].search.parent(stripe) == parent:
            self._pass_on(name, stripe, targets)
            self._redirect(name, stripe, parent, targets)

    def _tell_paths(self, node: ModelNode) -> None:
        for stripe in self.stripes:
            parent = node.search.parent(stripe)
            if parent is not None and self._reaches(parent, stripe):
                path = node.paths[stripe] = self._entries(parent, stripe)
                node.search.path_told(stripe, parent, path, self.now)

    def _entries(self, name: NodeId, stripe: Stripe) -> tuple[PathEntry, ...]:
        down = reversed(self.path(name, stripe))
        return tuple(PathEntry(one, self._addresses(one)) for one in down)

    def _addresses(self, name: NodeId) -> tuple[str, ...]:
        return self.nodes[name].addresses if name in self.nodes else ()

    def _carry_out(self, node: ModelNode, commands: Sequence[joining.Command]) -> None:
        for command in commands:
            match command:
                case joining.Probe(stripe, candidate):
                    self._jobs.append(partial(self._probe, node, stripe, NodeId(candidate.node)))
                case joining.Ask():
                    self._jobs.append(partial(self._ask, node, command))
                case joining.Hold(stripe, candidate):
                    self._jobs.append(partial(self._hold, node, stripe, NodeId(candidate.node)))
                case joining.Resume(stripe, standby):
                    self._jobs.append(partial(self._resume, node, stripe, standby))
                case joining.LeaveParent(stripe, other) | joining.Release(stripe, other):
                    if other == ROOT or other in self.nodes:
                        self._children(other).gone(node.name, stripe)
                case joining.Tell(message):
                    self._jobs.append(partial(self._tell, node, message))
                case joining.Drop():
                    pass

    def _tell(self, node: ModelNode, message: FromNode) -> None:
        if self.nodes.get(node.name) is node:
            self._handle(members.Told(node.name, message))

    def _reaches(self, target: NodeId, stripe: Stripe) -> bool:
        there = target == ROOT or target in self.nodes
        return there and self.path(target, stripe)[-1] == ROOT

    def _rtt(self, node: ModelNode, target: NodeId) -> float:
        return SLOW + (node.at if target == ROOT else abs(node.at - self.nodes[target].at))

    def _probe(self, node: ModelNode, stripe: Stripe, target: NodeId) -> None:
        if self.nodes.get(node.name) is not node:
            return
        if not self._reaches(target, stripe):
            self._carry_out(node, node.search.failed(stripe, target, self.now, "no answer"))
            return
        reply = ProbeReply(stripes=tuple(self.stripes), newest=0, delay=0.0, free_slots=0)
        rtt = self._rtt(node, target)
        self._carry_out(node, node.search.probed(stripe, target, reply, rtt, self.now))

    def _request(
        self,
        node: ModelNode,
        stripe: Stripe,
        target: NodeId,
        *,
        orphan: bool = False,
        active: bool = True,
        visited: tuple[NodeId, ...] = (),
    ) -> Attach:
        return Attach(
            version=VERSION,
            channel="cam",
            stripe=stripe,
            node=node.name,
            group_key="key",
            serve=node.serve,
            slots=node.children.slots,
            addresses=node.addresses,
            start=0,
            orphan=orphan,
            active=active,
            visited=visited,
            rtt_us=int(self._rtt(node, target) * 1e6),
        )

    def _ask(self, node: ModelNode, command: joining.Ask) -> None:
        stripe, target = command.stripe, NodeId(command.candidate.node)
        if self.nodes.get(node.name) is not node:
            return
        node.asked += 1
        if not self._reaches(target, stripe):
            self._carry_out(node, node.search.failed(stripe, target, self.now, "no answer"))
            return
        request = self._request(
            node, stripe, target, orphan=command.orphan, visited=command.visited
        )
        match self._children(target).ask(request, self.path(target, stripe)):
            case Admit(dismiss):
                self._admitted(node, stripe, target, dismiss)
            case SendAway(targets):
                self._carry_out(node, node.search.sent_on(stripe, target, targets, self.now))
            case Refuse(reason):
                self._carry_out(node, node.search.failed(stripe, target, self.now, reason))

    def _hold(self, node: ModelNode, stripe: Stripe, target: NodeId) -> None:
        if self.nodes.get(node.name) is not node:
            return
        held: Admit | Refuse = Refuse("closed", "")
        if self._reaches(target, stripe):
            request = self._request(node, stripe, target, active=False)
            held = self._children(target).hold(request, self.path(target, stripe))
        if isinstance(held, Admit):
            entries = self._entries(target, stripe)
            self._carry_out(node, node.search.path_told(stripe, target, entries, self.now))
        else:
            self._carry_out(node, node.search.standby_lost(stripe, target, self.now))

    def _resume(self, node: ModelNode, stripe: Stripe, target: NodeId) -> None:
        if self.nodes.get(node.name) is not node:
            return
        node.asked += 1
        if not self._reaches(target, stripe):
            self._carry_out(node, node.search.standby_lost(stripe, target, self.now))
            return
        path = self.path(target, stripe)
        match self._children(target).resume(node.name, stripe, path):
            case Admit(dismiss):
                self._admitted(node, stripe, target, dismiss)
            case SendAway(targets):
                self._carry_out(node, node.search.sent_on(stripe, target, targets, self.now))
            case Refuse():
                self._carry_out(node, node.search.standby_lost(stripe, target, self.now))

    def _admitted(
        self, node: ModelNode, stripe: Stripe, parent: NodeId, dismiss: NodeId | None
    ) -> None:
        if parent == ROOT:
            self._do(self.membership.root_child_taken(stripe, node.name))
        self._carry_out(node, node.search.accepted(stripe, parent, 0, now=self.now))
        self._tell_paths(node)
        self._carry_out(node, node.search.delivered(stripe, parent))
        displaced = self._children(parent).caught_up(node.name, stripe)
        target = self._children(parent).target(node.name, stripe)
        for leaving in (dismiss, displaced):
            if leaving is not None and target is not None:
                self._redirect(leaving, stripe, parent, [target])
        if dismiss is not None:
            self._jobs.append(partial(self._parent_lost, dismiss, stripe, parent))

    # --- ends of links

    def _parent_lost(
        self, name: NodeId, stripe: Stripe, parent: NodeId, reason: LostReason = "closed"
    ) -> None:
        node = self.nodes.get(name)
        if node is None or node.search.parent(stripe) != parent:
            return
        if self._way.delete.everyone and not node.search.on_the_way(stripe):
            targets = self._way.delete.targets(node.paths[stripe])
            self._pass_on(name, stripe, targets)
        self._carry_out(node, node.search.ended(stripe, parent, reason, 0, self.now))

    def _child_lost(self, parent: NodeId, stripe: Stripe, child: NodeId) -> None:
        if parent == ROOT:
            self.root.gone(child, stripe)
            self._do(self.membership.root_child_lost(stripe, child))
        elif (node := self.nodes.get(parent)) is not None:
            node.children.gone(child, stripe)
            self._tell(node, ChildLost(stripe=stripe, child=child, reason="closed"))

    def _children(self, name: NodeId) -> Children:
        return self.root if name == ROOT else self.nodes[name].children

    def run(self) -> None:
        """Let everything happen that takes no time."""
        for _ in range(MOST_AT_ONCE):
            if not self._jobs:
                return
            self._jobs.popleft()()
        raise AssertionError("somebody runs in a circle")
