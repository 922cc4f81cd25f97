"""What waits for a player is bounded; what does not fit is skipped up to a keyframe."""

from clientproxy.core.outbox import MAX_KEYFRAME_WAIT, MAX_WAITING_BYTES, MAX_WAITING_TIME, Outbox
from clientproxy.core.playout import Outgoing
from common.frame import FLAG_KEYFRAME, Packet

SECOND = 1_000_000


def item(
    seq: int, *, at: float = 0.0, size: int = 100, keyframe: bool = False, rtcp: bool = False
) -> Outgoing:
    flags = FLAG_KEYFRAME if keyframe else 0
    source = Packet(seq, int(at * SECOND), 0, flags, b"")
    return Outgoing(0, rtcp, bytes(size), source)


def started(*, needs_keyframe: bool = True) -> Outbox:
    outbox = Outbox()
    outbox.start([], needs_keyframe=needs_keyframe)
    return outbox


def waiting(outbox: Outbox) -> list[int]:
    return [out.source.seq for out in outbox.take(1 << 30)]


def test_packets_leave_in_order_and_in_portions() -> None:
    outbox = started()
    assert not outbox.put([item(n) for n in range(5)])
    assert [out.source.seq for out in outbox.take(150)] == [0, 1]
    assert [out.source.seq for out in outbox.take(1)] == [2]
    assert len(outbox) == 2
    assert waiting(outbox) == [3, 4]
    assert waiting(outbox) == []


def test_too_many_bytes_are_skipped_up_to_the_next_keyframe() -> None:
    outbox = started()
    half = MAX_WAITING_BYTES // 2
    assert outbox.put([item(0, size=half), item(1, size=half), item(2)])
    assert len(outbox) == 0
    assert not outbox.put([item(3), item(4, rtcp=True, keyframe=True), item(5, keyframe=True)])
    assert not outbox.put([item(6)])
    assert waiting(outbox) == [5, 6]
    assert outbox.stats.skips == 1
    assert outbox.stats.skipped_packets == 5


def test_too_long_a_time_is_skipped_too() -> None:
    outbox = started()
    assert not outbox.put([item(0, at=0), item(1, at=MAX_WAITING_TIME)])
    assert outbox.put([item(2, at=MAX_WAITING_TIME + 1)])
    assert len(outbox) == 0


def test_what_was_taken_makes_room() -> None:
    outbox = started()
    for n in range(100):
        assert not outbox.put([item(n, at=n, size=MAX_WAITING_BYTES)])
        assert waiting(outbox) == [n]
    assert outbox.stats.skips == 0


def test_sound_goes_on_with_any_packet() -> None:
    outbox = started(needs_keyframe=False)
    assert outbox.put([item(0, size=MAX_WAITING_BYTES + 1), item(1)])
    assert waiting(outbox) == [1]


def test_a_track_without_keyframes_goes_on_after_a_while() -> None:
    """Only those of the first video track are marked: a player may have set up another one."""
    outbox = started()
    assert outbox.put([item(0, at=0), item(1, at=MAX_WAITING_TIME + 1)])
    end = MAX_WAITING_TIME + 1 + MAX_KEYFRAME_WAIT
    late = [item(3, at=end + 0.1, rtcp=True), item(4, at=end + 0.2), item(5, at=end + 0.3)]
    assert not outbox.put([item(2, at=end), *late])
    assert waiting(outbox) == [4, 5]


def test_the_packets_since_the_last_keyframe_have_room_whatever_their_size() -> None:
    outbox = started()
    backlog = [item(n, at=n, size=MAX_WAITING_BYTES) for n in range(60)]
    outbox.start(backlog, needs_keyframe=True)
    assert not outbox.put([item(60, at=60)])
    assert waiting(outbox) == list(range(61))


def test_a_new_start_forgets_what_waited_and_ends_a_skip() -> None:
    outbox = started()
    outbox.put([item(0, size=MAX_WAITING_BYTES + 1)])
    outbox.start([item(1)], needs_keyframe=True)
    outbox.put([item(2)])
    assert outbox.waiting_bytes == 200
    assert waiting(outbox) == [1, 2]
    outbox.put([item(3)])
    outbox.clear()
    assert len(outbox) == outbox.waiting_bytes == 0
