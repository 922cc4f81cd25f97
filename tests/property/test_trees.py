"""The trees against an overlay: parents decide, reports are late, and nodes die (Z10, Z34)."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.tree import Move, Placement, TreeError, Trees

STRIPES = (Stripe(0), Stripe(1))
Place = tuple[NodeId, Stripe]


@dataclass
class Overlay:
    """What the nodes do, whatever the server proxy believes: parents decide."""

    slots: dict[NodeId, int] = field(default_factory=dict)
    hard: dict[NodeId, bool] = field(default_factory=dict)
    parent: dict[Place, NodeId] = field(default_factory=dict)
    serves: Callable[[NodeId], Stripe | None] = lambda _node: None
    orphans: set[NodeId] = field(default_factory=set)
    """Who has asked for a parent: at the server proxy a leaf goes for it, too."""
    sent_away: list[Place] = field(default_factory=list)
    """Leaves that a parent with a hard limit sent away for a newcomer, to come to it."""

    def children(self, node: NodeId, stripe: Stripe) -> list[NodeId]:
        return [c for (c, s), p in self.parent.items() if p == node and s == stripe]

    def path(self, node: NodeId, stripe: Stripe) -> list[NodeId]:
        path = [node]
        while (path[-1], stripe) in self.parent:
            path.append(self.parent[path[-1], stripe])
        return path

    def attach(self, node: NodeId, stripe: Stripe, parent: NodeId) -> bool:
        """Ask `parent`; without its own link, below the node, or with an excess it refuses.

        At a user's number it first sends a leaf away to who will take it.
        """
        if parent not in self.slots and parent != ROOT:
            return False
        path = self.path(parent, stripe)
        if node in path or path[-1] != ROOT or self.parent.get((node, stripe)) == parent:
            return False
        if parent == ROOT:
            taken, limit = len(self.children(ROOT, stripe)), 2
        else:
            taken = sum(len(self.children(parent, s)) for s in STRIPES)
            limit = self.slots[parent]
            limit += 1 if limit and not self.hard[parent] else 0
        if taken >= limit and not (taken == limit and self.send_away(node, stripe, parent)):
            return False
        self.parent[node, stripe] = parent
        return True

    def send_away(self, comer: NodeId, stripe: Stripe, parent: NodeId) -> bool:
        """Let a leaf go that the newcomer can take; it comes there, or asks."""
        last = parent == ROOT and comer in self.orphans
        if not (last or self.hard.get(parent)):
            return False
        if not self.slots[comer] or self.serves(comer) != stripe:
            return False
        for leaf in self.children(parent, stripe):
            if self.serves(leaf) != stripe and not self.children(leaf, stripe):
                del self.parent[leaf, stripe]
                self.sent_away.append((leaf, stripe))
                return True
        return False

    def die(self, node: NodeId) -> None:
        del self.slots[node], self.hard[node]
        self.parent = {
            (child, stripe): parent
            for (child, stripe), parent in self.parent.items()
            if node not in (child, parent)
        }


class LateReports(RuleBasedStateMachine):
    """Joins, reports in any order or lost, splices, leaves, failures."""

    prompt = False

    def __init__(self) -> None:
        super().__init__()
        self.trees = Trees(stripes=2)
        self.overlay = Overlay(serves=self.trees.serves)
        self.offers: dict[Place, Placement] = {}
        self.moves: dict[Place, Move] = {}
        self.reports: list[tuple[NodeId, Stripe, NodeId]] = []
        self.born = 0
        self.absent: set[NodeId] = set()

    # --- what happens

    @rule(slots=st.sampled_from([0, 1, 2, 2, 3, 3, 3, 5]), hard=st.booleans())
    def join(self, slots: int, hard: bool) -> None:
        if len(self.overlay.slots) >= 24:
            return
        self.born += 1
        node = NodeId(f"n{self.born}")
        self.trees.add(node, slots=slots, hard_limit=hard)
        placements = self.trees.join(node)
        if placements is None:
            self.trees.remove(node)
            self.settle_up()
            return
        self.overlay.slots[node], self.overlay.hard[node] = slots, hard
        for stripe, placement in placements.items():
            assert 1 <= len(placement.candidates) <= 10
            assert len({one.depth for one in placement.candidates}) == 1
            self.offers[node, stripe] = placement
        self.settle_up()

    @precondition(lambda self: self.offers)
    @rule(data=st.data())
    def answer_an_offer(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(sorted(self.offers)))
        offered = self.offers.pop(place).candidates
        first = data.draw(st.integers(0, len(offered) - 1))
        refused = []
        for one in offered[first:] + offered[:first]:
            if self.overlay.attach(*place, one.parent):
                self.report(place, one.parent)
                return
            refused.append(one.parent)
        self.ask(place, refused)

    @precondition(lambda self: self.moves)
    @rule(data=st.data())
    def follow_a_redirect(self, data: st.DataObject) -> None:
        place = data.draw(st.sampled_from(sorted(self.moves)))
        move = self.moves.pop(place)
        if self.overlay.parent.get(place) != move.source:
            return
        target = data.draw(st.sampled_from(move.placement.candidates)).parent
        if self.overlay.attach(*place, target):
            self.report(place, target)
        else:
            self.trees.release(*place)
            self.settle_up()

    @precondition(lambda self: self.overlay.slots)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        self.kill(data.draw(st.sampled_from(sorted(self.overlay.slots))))

    @precondition(lambda self: self.overlay.slots)
    @rule(data=st.data(), slots=st.integers(0, 4))
    def change_slots(self, data: st.DataObject, slots: int) -> None:
        node = data.draw(st.sampled_from(sorted(self.overlay.slots)))
        if self.prompt and slots < self.overlay.slots[node]:
            return
        self.overlay.slots[node] = slots
        self.trees.set_slots(node, slots, hard_limit=self.overlay.hard[node])
        self.settle_up()

    @precondition(lambda self: self.overlay.slots)
    @rule(data=st.data(), stripe=st.sampled_from(STRIPES))
    def lose_a_link(self, data: st.DataObject, stripe: Stripe) -> None:
        place = data.draw(st.sampled_from(sorted(self.overlay.slots))), stripe
        if self.overlay.parent.pop(place, None) is not None:
            self.ask(place, [])

    @precondition(lambda self: self.reports)
    @rule(data=st.data(), lost=st.booleans())
    def deliver(self, data: st.DataObject, lost: bool) -> None:
        report = self.reports.pop(data.draw(st.integers(0, len(self.reports) - 1)))
        if not lost and report[0] in self.overlay.slots:
            self.believe(*report)

    # --- how the server proxy hears of it

    def report(self, place: Place, parent: NodeId) -> None:
        if self.prompt:
            self.trees.attach(*place, parent)
            self.settle_up()
        else:
            self.reports.append((*place, parent))
        while self.overlay.sent_away:
            leaf = self.overlay.sent_away.pop()
            if leaf not in self.overlay.parent:
                if self.overlay.attach(*leaf, place[0]):
                    self.report(leaf, place[0])
                else:
                    self.ask(leaf, [])

    def believe(self, node: NodeId, stripe: Stripe, parent: NodeId) -> None:
        try:
            self.trees.attach(node, stripe, parent)
        except TreeError:
            assert not self.prompt
        self.settle_up()

    def ask(self, place: Place, tried: list[NodeId]) -> None:
        self.trees.detach(*place)
        self.overlay.orphans.add(place[0])
        placement = self.trees.place(*place, avoid=tried)
        self.offers.pop(place, None)
        if placement is not None:
            self.offers[place] = placement
        self.settle_up()

    def kill(self, node: NodeId) -> None:
        self.overlay.die(node)
        orphans = self.trees.remove(node)
        for jobs in (self.offers, self.moves):
            for place in [place for place in jobs if place[0] == node]:
                del jobs[place]
        for child, stripe in orphans:
            if (child, stripe) not in self.overlay.parent:
                self.ask((child, stripe), [])
        self.settle_up()

    def settle_up(self) -> None:
        for remedy in self.trees.remedies():
            if isinstance(remedy, Move):
                self.moves[remedy.node, remedy.stripe] = remedy

    @precondition(lambda self: self.overlay.slots)
    @rule(data=st.data(), absent=st.booleans())
    def come_and_go(self, data: st.DataObject, absent: bool) -> None:
        node = data.draw(st.sampled_from(sorted(self.overlay.slots)))
        (self.absent.add if absent else self.absent.discard)(node)
        self.trees.absent(node, absent=absent)
        self.settle_up()

    @rule(limit=st.sampled_from([1, 3, 200]))
    def stand_by(self, limit: int) -> None:
        """Whoever needs another standby gets it; the rules hold for it then."""
        for _ in range(4):
            for node, stripe in self.trees.stale_standbys(limit):
                standby = self.trees.standby(node, stripe)
                self.trees.hold_standby(node, stripe, standby)
        if limit > 4 * len(self.trees):
            assert not self.trees.stale_standbys(limit)
            for node, stripe in self.standing():
                self.differs_from_siblings(node, stripe)

    def standing(self) -> list[Place]:
        """Return who can be told of a standby, and where."""
        every = [(n, s) for n in self.trees.nodes() if n not in self.absent for s in STRIPES]
        return [place for place in every if self.trees.moving_to(*place) is None]

    def differs_from_siblings(self, node: NodeId, stripe: Stripe) -> None:
        parent, held = self.trees.parent(node, stripe), self.trees.standby_held(node, stripe)
        if parent is None or held in {None, ROOT}:
            return
        siblings = {(n, stripe) for n in self.trees.children(parent, stripe) if n != node}
        for sibling in siblings & set(self.standing()):
            assert self.trees.standby_held(*sibling) != held

    @invariant()
    def holds(self) -> None:
        self.trees.check(settled=self.prompt)

    def teardown(self) -> None:
        """Let all be said and done: then the five invariants hold, and the trees are true."""
        self.reports.clear()
        self.all_come_back()
        for _ in range(60):
            self.say_everything()
            if not self.moves and not self.trees.remedies():
                self.end_excess()
                if not self.homeless():
                    break
            self.follow_all()
        self.say_everything()
        self.trees.check()
        if not self.homeless():
            assert not self.trees.remedies(), "remedies come to an end"
        if all(slots >= len(STRIPES) for slots in self.overlay.slots.values()):
            assert not self.homeless()
        for node in self.overlay.slots:
            for stripe in STRIPES:
                assert self.trees.parent(node, stripe) == self.overlay.parent.get((node, stripe))

    def follow_all(self) -> None:
        for place in [*self.moves]:
            target = self.moves.pop(place).placement.candidates[0].parent
            if not self.overlay.attach(*place, target):
                self.trees.release(*place)

    def all_come_back(self) -> None:
        for node in self.overlay.slots:
            self.trees.absent(node, absent=False)

    def end_excess(self) -> None:
        """No remedy was found in time: who has children above its limit lets them go."""
        for node, slots in self.overlay.slots.items():
            limit = slots + (1 if slots and not self.overlay.hard[node] else 0)
            places = [place for place, parent in self.overlay.parent.items() if parent == node]
            for place in places[limit:]:
                del self.overlay.parent[place]
                self.trees.detach(*place)

    def homeless(self) -> list[Place]:
        every = [(node, stripe) for node in self.overlay.slots for stripe in STRIPES]
        return [place for place in every if place not in self.overlay.parent]

    def say_everything(self) -> None:
        for place in self.homeless():
            self.trees.detach(*place)
            self.overlay.orphans.add(place[0])
            placement = self.trees.place(*place)
            for one in () if placement is None else placement.candidates:
                if self.overlay.attach(*place, one.parent):
                    break
        for _ in range(2):
            for (node, stripe), parent in self.overlay.parent.items():
                try:
                    self.trees.attach(node, stripe, parent)
                except TreeError:
                    continue
        self.settle_up()


class PromptReports(LateReports):
    """The same with every report at once: then 1 to 5 hold after every step."""

    prompt = True


TestLateReports = LateReports.TestCase
TestPromptReports = PromptReports.TestCase
TestLateReports.settings = settings(stateful_step_count=40)
TestPromptReports.settings = settings(stateful_step_count=40)
