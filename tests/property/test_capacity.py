"""Whatever nodes report, no slots pass their bounds and the trees stay whole."""

from hypothesis import given
from hypothesis import strategies as st

from common.fields import StripeReport
from common.ids import ROOT, NodeId, Stripe
from common.messages import Report
from serverproxy.core.capacity import MOST_TIMES, Capacity
from serverproxy.core.tree import TreeError, Trees

STRIPES = (Stripe(0), Stripe(1))
NODES = [NodeId(f"n{number}") for number in range(6)]
SLOTS = {node: number % 4 for number, node in enumerate(NODES)}
HARD = {node for number, node in enumerate(NODES) if number % 2}

nodes = st.sampled_from(NODES)
parents = st.one_of(nodes, st.just(ROOT))
stripes = st.sampled_from(STRIPES)
lags = st.one_of(st.floats(-1e13, 1e13), st.sampled_from([0.0, 0.2, 0.3]))
steps = st.one_of(
    st.tuples(st.just("hang"), nodes, stripes, parents),
    st.tuples(st.just("report"), nodes, st.tuples(lags, lags), st.booleans()),
    st.tuples(st.just("slow"), nodes, stripes, st.none()),
    st.tuples(st.just("again"), nodes, st.none(), st.none()),
)


class World:
    """A capacity, its trees, and what may happen to them."""

    def __init__(self) -> None:
        self.trees = Trees(stripes=2)
        self.capacity = Capacity(self.trees, 2)
        self.now = 0.0
        for node in NODES:
            self.begin(node)
            self.trees.add(node, slots=SLOTS[node], hard_limit=node in HARD)

    def begin(self, node: NodeId) -> None:
        self.capacity.begin(node, SLOTS[node], hard_limit=node in HARD)

    def hang(self, node: NodeId, stripe: Stripe, parent: NodeId) -> None:
        if node == parent:
            return
        try:
            self.trees.attach(node, stripe, parent)
        except TreeError:
            return

    def report(self, node: NodeId, behind: tuple[float, float], *, own_fault: bool) -> None:
        told = tuple(
            StripeReport(s, self.trees.parent(node, s), 0.0, 0, 0, 0, (), None, behind[s])
            for s in STRIPES
        )
        report = Report(
            sent_us=0,
            delay=0.0,
            stripes=told,
            players=0,
            delivered=0,
            lost=0,
            downlink_slow=own_fault,
        )
        before = {one: self.trees.slots(one) for one in NODES}
        changed = self.capacity.reported(node, report, self.now)
        assert {one for one in NODES if self.trees.slots(one) != before[one]} == set(changed)

    def slow(self, node: NodeId, stripe: Stripe) -> None:
        parent = self.trees.parent(node, stripe)
        if parent is not None:
            self.trees.detach(node, stripe)
            self.capacity.left_as_slow(parent, self.now)

    def check(self) -> None:
        for node in NODES:
            most = SLOTS[node] if node in HARD else SLOTS[node] * MOST_TIMES
            assert 0 <= self.trees.slots(node) <= most
            assert self.trees.slots(node) == self.capacity.slots(node)
        self.trees.check(settled=False)


@given(st.lists(st.tuples(st.floats(0, 5), steps), max_size=200))
def test_slots_stay_within_their_bounds(story: list[tuple[float, tuple[object, ...]]]) -> None:
    world = World()
    for seconds, step in story:
        world.now += seconds
        match step:
            case ("hang", str(node), int(stripe), str(parent)):
                world.hang(NodeId(node), Stripe(stripe), NodeId(parent))
            case ("report", str(node), (float(first), float(second)), bool(own_fault)):
                world.report(NodeId(node), (first, second), own_fault=own_fault)
            case ("slow", str(node), int(stripe), None):
                world.slow(NodeId(node), Stripe(stripe))
            case ("again", str(node), None, None):
                world.begin(NodeId(node))
            case _:
                raise AssertionError(step)
        world.check()


@given(st.integers(0, 200), st.integers(1, 12))
def test_every_node_that_is_well_again_gets_its_first_slots_back(losses: int, count: int) -> None:
    """After any number of losses, once as many children as it has slots are well fed for long."""
    world = World()
    parent = NODES[2]  # two slots, no user's number
    for _ in range(losses):
        world.now += 1.0
        world.capacity.left_as_slow(parent, world.now)
    others = NODES[3:5]
    for stripe in STRIPES:
        world.hang(parent, stripe, ROOT)
    for child in others:
        world.hang(child, STRIPES[0], parent)
    for _ in range(400 + count):
        world.now += 2.0
        for node in (parent, *others):
            world.report(node, (0.0, 0.0), own_fault=False)
    assert world.trees.slots(parent) >= SLOTS[parent]
    world.check()
