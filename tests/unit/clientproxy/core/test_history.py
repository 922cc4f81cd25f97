"""The packets since the last keyframe."""

from clientproxy.core.history import History
from clientproxy.core.reorder import PACKET_COST_BYTES
from common.frame import FLAG_KEYFRAME, Packet

SIZE = 100
COST = SIZE + PACKET_COST_BYTES


def packet(seq: int, *, keyframe: bool = False) -> Packet:
    return Packet(seq, 0, 0, FLAG_KEYFRAME if keyframe else 0, bytes(SIZE))


def numbers(history: History) -> list[int]:
    return [one.seq for one in history.packets()]


def test_a_keyframe_begins_anew() -> None:
    history = History(100 * COST)
    history.extend([packet(1), packet(2)])
    assert numbers(history) == [1, 2], "what a node begins with is the keyframe it was offered"
    history.extend([packet(3), packet(4, keyframe=True), packet(5)])
    assert numbers(history) == [4, 5]


def test_too_much_is_dropped_whole_until_the_next_keyframe() -> None:
    history = History(2 * COST)
    history.extend([packet(1, keyframe=True), packet(2)])
    assert numbers(history) == [1, 2]
    history.extend([packet(3)])
    assert numbers(history) == []
    history.extend([packet(4)])
    assert numbers(history) == []
    history.extend([packet(5), packet(6, keyframe=True), packet(7)])
    assert numbers(history) == [6, 7]


def test_another_bound_counts_from_now_on() -> None:
    history = History(2 * COST)
    history.max_bytes = COST
    history.extend([packet(1, keyframe=True), packet(2)])
    assert numbers(history) == []


def test_what_was_given_out_stays_as_it_is() -> None:
    history = History(100 * COST)
    history.extend([packet(1)])
    before = history.packets()
    history.forget()
    assert [one.seq for one in before] == [1]
    assert numbers(history) == []
    history.extend([packet(2)])
    assert numbers(history) == [2], "another stream begins with its first packet"
