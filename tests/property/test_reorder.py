"""Whatever the stripes do, packets leave once and in order."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from clientproxy.core.reorder import PACKET_COST_BYTES, Reorder
from common.frame import FLAG_FIRST, Packet

TIMEOUT = 1.0
ROOMY = 1 << 30


def packet(seq: int, size: int = 1) -> Packet:
    return Packet(seq, 0, 0, 0, bytes(size))


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[float, list[int]]]:
    """Return batches of sequence numbers by time: late, lost, twice, in any order."""
    out: list[tuple[float, list[int]]] = []
    now = 0.0
    for _ in range(draw(st.integers(0, 25))):
        now += draw(st.sampled_from([0.0, 0.1, 0.5, 1.5]))
        out.append((now, draw(st.lists(st.integers(0, 40), max_size=6))))
    return out


@given(
    arrivals(), st.integers(0, 20), st.booleans(), st.sampled_from([ROOMY, 3 * PACKET_COST_BYTES])
)
def test_each_packet_leaves_once_and_in_order(
    batches: list[tuple[float, list[int]]], head: int, eager: bool, capacity: int
) -> None:
    merge = Reorder(head=head, timeout=TIMEOUT, capacity_bytes=capacity)
    out: list[int] = []
    for now, seqs in batches:
        got = merge.push([packet(seq) for seq in seqs], now)
        if eager:
            got += merge.expire(now)
            deadline = merge.next_deadline()
            assert deadline is None or now < deadline <= now + TIMEOUT
        out += [one.seq for one in got]
        assert merge.held * (PACKET_COST_BYTES + 1) <= capacity
    out += [one.seq for one in merge.expire(1e9)]
    came = {seq for _, seqs in batches for seq in seqs if seq >= head}
    assert out == sorted(set(out))
    assert set(out) <= came
    assert (merge.held, merge.next_deadline()) == (0, None)
    assert merge.stats.delivered == len(out)
    assert merge.stats.lost == merge.head - head - len(out)
    assert merge.head == (out[-1] + 1 if out else head)
    assert merge.stats.late == sum(seq >= head for _, seqs in batches for seq in seqs) - len(out)


@given(
    st.integers(1, 16),
    st.lists(st.tuples(st.integers(0, 15), st.integers(1, 5)), max_size=40),
    st.lists(st.integers(0, 120), max_size=20),
)
def test_what_arrives_in_time_is_never_lost(
    stripes: int, turns: list[tuple[int, int]], again: list[int]
) -> None:
    """Stripes that run ahead of each other as they like, with some frames from two parents."""
    waiting = [list(range(stripe, 120, stripes)) for stripe in range(stripes)]
    merge = Reorder(head=0, timeout=TIMEOUT, capacity_bytes=ROOMY)
    out: list[int] = []
    step = TIMEOUT / (len(turns) + stripes + 2)
    now = 0.0
    for which, count in [*turns, *((stripe, 120) for stripe in range(stripes))]:
        now += step
        stripe = waiting[which % stripes]
        batch, stripe[:] = stripe[:count], stripe[count:]
        seen = [
            seq for seq in again if seq < (batch or [0])[0] and seq % stripes == which % stripes
        ]
        out += [one.seq for one in merge.push([packet(seq) for seq in [*seen, *batch]], now)]
        out += [one.seq for one in merge.expire(now)]
    assert out == list(range(120))
    assert merge.stats.lost == 0


@given(st.sets(st.integers(0, 60)), st.randoms(use_true_random=False))
def test_the_loss_is_exactly_the_holes(came: set[int], dice: Random) -> None:
    order = sorted(came)
    dice.shuffle(order)
    merge = Reorder(head=0, timeout=TIMEOUT, capacity_bytes=ROOMY)
    out = [one.seq for one in merge.push([packet(seq) for seq in order], 0.0)]
    assert [one.seq for one in merge.expire(TIMEOUT / 2)] == []
    out += [one.seq for one in merge.expire(TIMEOUT)]
    assert out == sorted(came)
    holes = set(range(max(came, default=-1))) - came
    assert merge.stats.lost == len(holes)


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, int, list[Packet]]]:
    """Return what is called of a merge, with a number or with packets of any server process."""
    frames = st.tuples(st.integers(0, 40), st.sampled_from([0, FLAG_FIRST]))
    calls = st.sampled_from(["push", "push", "push", "skip_to", "skip_unused", "begin", "expire"])
    return [
        (
            draw(calls),
            draw(st.integers(0, 40)),
            [
                Packet(seq, 0, 0, flags, b"x")
                for seq, flags in draw(st.lists(frames, min_size=1, max_size=5))
            ],
        )
        for _ in range(draw(st.integers(0, 20)))
    ]


@given(lives(), st.integers(0, 20), st.booleans(), st.sampled_from([ROOMY, 3 * PACKET_COST_BYTES]))
def test_the_head_never_falls_and_no_loss_is_taken_back(
    life: list[tuple[str, int, list[Packet]]], head: int, begun: bool, capacity: int
) -> None:
    """Whatever comes before the beginning and behind it, as server processes follow each other."""
    merge = Reorder(head=head, timeout=TIMEOUT, capacity_bytes=capacity, stripes=2, begun=begun)
    out: list[Packet] = []
    for turn, (call, number, packets) in enumerate(life):
        now, before, lost = turn * TIMEOUT / 2, merge.head, merge.stats.lost
        if call == "push":
            out += merge.push(packets, now)
        elif call == "skip_to":
            out += merge.skip_to(number)
        elif call == "begin":
            out += merge.begin()
        elif call == "expire":
            out += merge.expire(now)
        else:
            merge.skip_unused(number)
        assert merge.head >= before
        assert merge.stats.lost >= lost
        assert merge.held * (PACKET_COST_BYTES + 1) <= capacity
    out += merge.expire(1e9)
    seqs = [one.seq for one in out]
    assert seqs == sorted(set(seqs))
    assert (merge.held, merge.stats.delivered) == (0, len(seqs))
