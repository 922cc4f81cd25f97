"""Channel-wide numbers for what a source gives."""

import pytest

from clientproxy.core.arrivals import MAX_JUMP, check_numbers
from common.clock import MAX_CLOCK_STEP
from common.codec import decode_stream, encode_body
from common.fields import Track
from common.frame import FLAG_FIRST, FLAG_KEYFRAME, FLAG_RTCP, FrameType
from common.ids import Stripe
from serverproxy.core.events import SourceDescription, SourcePacket
from serverproxy.core.numbering import (
    CLOCKS_DIFFER,
    MARGIN,
    MOST_BROUGHT,
    MOST_BROUGHT_BY_HOST,
    Numbering,
    may_follow,
)

VIDEO = Track(0, "video", "H264", 90_000, 96)
AUDIO = Track(1, "audio", "OPUS", 48_000, 97)
FIRST = 1_700_000_000_000_000


def rtp(payload: bytes, *, timestamp: int = 1, number: int = 1) -> bytes:
    return b"\x80\x60" + number.to_bytes(2) + timestamp.to_bytes(4) + b"ssrc" + payload


def video(*, key: bool, at: int) -> SourcePacket:
    nal = b"\x65key" if key else b"\x41not"
    return SourcePacket(0, False, rtp(nal, timestamp=at, number=at))


def description(*tracks: Track, sdp: str = "v=0") -> SourceDescription:
    return SourceDescription(sdp, tracks)


def numbering(*tracks: Track, stripes: int = 2) -> Numbering:
    one = Numbering(first=FIRST, stripes=stripes)
    one.begin(description(*(tracks or (VIDEO, AUDIO))))
    return one


def test_rtp_and_rtcp_of_all_tracks_are_numbered_in_one_sequence() -> None:
    one = numbering()
    packets = one.push(
        [video(key=False, at=1), SourcePacket(0, True, b"rtcp"), SourcePacket(1, False, rtp(b"a"))],
        77,
    )
    assert [packet.seq for packet in packets] == [FIRST, FIRST + 1, FIRST + 2]
    assert [packet.track for packet in packets] == [0, 0, 1]
    assert [packet.flags for packet in packets] == [0, FLAG_RTCP, 0]
    assert {packet.capture_us for packet in packets} == {77}
    assert {packet.type for packet in packets} == {FrameType.DATA}
    assert packets[1].payload == b"rtcp"
    assert one.next == FIRST + 3
    assert one.stats.packets == 3
    assert one.stats.bytes == sum(len(packet.payload) for packet in packets)


def test_packets_are_counted_by_what_they_carry() -> None:
    one = numbering(VIDEO, AUDIO, Track(2, "message", "X", 1000, 98))
    kinds = [(0, False), (0, True), (1, False), (1, False), (1, True), (2, False), (9, False)]
    one.push([SourcePacket(track, rtcp, rtp(b"a")) for track, rtcp in kinds], 0)
    assert one.stats.by_kind == {"video": 1, "audio": 2, "application": 0, "other": 2, "rtcp": 2}
    one.begin(description(Track(0, "audio", "OPUS", 48_000, 97)))
    one.push([SourcePacket(0, False, rtp(b"a"))], 0)
    assert one.stats.by_kind["audio"] == 3
    assert sum(one.stats.by_kind.values()) == one.stats.packets


def test_keyframes_are_flagged_and_the_newest_is_known() -> None:
    one = numbering()
    packets = one.push([video(key=at == 2, at=at) for at in range(4)], 0)
    assert [packet.flags for packet in packets] == [0, 0, FLAG_KEYFRAME, 0]
    assert one.keyframe == FIRST + 2
    assert one.stats.keyframes == 1


def test_with_pictures_no_sound_is_a_place_to_start_at() -> None:
    (packet,) = numbering().push([SourcePacket(1, False, rtp(b"a"))], 0)
    assert packet.flags == 0


def test_without_pictures_every_sound_is() -> None:
    one = numbering(AUDIO)
    packets = one.push(
        [SourcePacket(1, False, rtp(b"a", number=at, timestamp=at)) for at in (1, 2)], 0
    )
    assert [packet.flags for packet in packets] == [FLAG_KEYFRAME, FLAG_KEYFRAME]
    assert one.keyframe == FIRST + 1


def test_of_two_pictures_the_first_leads() -> None:
    second = Track(2, "video", "H264", 90_000, 98)
    (packet,) = numbering(VIDEO, second).push([video(key=True, at=1)._replace(track=2)], 0)
    assert packet.flags == 0


@pytest.mark.parametrize("stripes", [1, 2, 16])
def test_each_stripe_gets_one_epoch_mark(stripes: int) -> None:
    one = numbering(stripes=stripes)
    one.push([video(key=True, at=1)], 0)
    assert one.stream is not None
    marks = one.marks(encode_body(one.stream), 88)
    assert sorted(mark.seq % stripes for mark in marks) == list(range(stripes))
    assert {mark.type for mark in marks} == {FrameType.EPOCH}
    assert {(mark.track, mark.flags, mark.capture_us) for mark in marks} == {(0, FLAG_FIRST, 88)}
    assert decode_stream(marks[0].payload) == one.stream
    assert one.next == FIRST + 1 + stripes
    assert one.stats.packets == 1


def test_the_first_pull_is_epoch_1_and_its_generation_the_first_number() -> None:
    one = Numbering(first=FIRST, stripes=2)
    assert one.stream is None
    stream = one.begin(description(VIDEO, sdp="v=0\r\n"))
    assert (stream.epoch, stream.generation) == (1, FIRST)
    assert (stream.sdp, stream.tracks) == ("v=0\r\n", (VIDEO,))
    assert one.stream is stream


def test_the_same_codecs_again_are_a_new_generation() -> None:
    one = numbering(VIDEO)
    one.push([video(key=True, at=1)], 0)
    stream = one.begin(description(VIDEO, sdp="v=1"))
    assert (stream.epoch, stream.generation, stream.sdp) == (1, FIRST + 1, "v=1")
    assert one.keyframe == 0
    assert one.next == FIRST + 1


def test_other_codecs_are_a_new_epoch() -> None:
    one = numbering(VIDEO)
    one.push([video(key=True, at=1)], 0)
    stream = one.begin(description(Track(0, "video", "H265", 90_000, 96)))
    assert (stream.epoch, stream.generation) == (2, FIRST + 1)


def test_only_the_first_marks_of_a_process_are_marked_first() -> None:
    one = numbering(VIDEO)
    assert {mark.flags for mark in one.marks(b"", 0)} == {FLAG_FIRST}
    one.begin(description(VIDEO))
    assert {mark.flags for mark in one.marks(b"", 0)} == {0}


def test_numbers_go_on_above_what_a_node_brings_and_say_so() -> None:
    """A clock that was set back must not let numbers start again."""
    one = numbering(VIDEO)
    one.marks(b"", 0)
    assert one.go_above(FIRST - 5)
    assert one.next == FIRST + 2
    assert one.go_above(FIRST + 1000)
    assert one.next > FIRST + 1000
    assert one.stream is not None
    assert one.stream.generation == FIRST, "it is still the same pull"
    assert {mark.flags for mark in one.marks(b"", 0)} == {FLAG_FIRST}


def test_nobody_drives_the_numbers_up_for_ever() -> None:
    one = numbering(VIDEO)
    assert all(one.go_above(one.next, f"host {number}") for number in range(MOST_BROUGHT))
    before = one.next
    assert not one.go_above(one.next)
    assert one.next == before
    assert one.go_above(before - 1), "what is no trouble is no reason to say no"


def test_a_keyframe_in_parts_across_a_restart_is_not_carried_over() -> None:
    one = numbering(VIDEO)
    one.push([video(key=True, at=5)], 0)
    one.begin(description(VIDEO))
    (packet,) = one.push([video(key=True, at=5)], 0)
    assert packet.flags == FLAG_KEYFRAME


def test_no_host_uses_up_alone_how_often_numbers_are_driven_up() -> None:
    one = numbering(VIDEO)
    assert all(one.go_above(one.next, "liar") for _ in range(MOST_BROUGHT_BY_HOST))
    assert not one.go_above(one.next, "liar")
    assert one.go_above(one.next, "an honest node's")


def test_nodes_take_what_follows_the_highest_number_that_one_may_bring() -> None:
    """Else one false Rejoin would have every node leave its parents."""
    now_us = FIRST + 3_600_000_000
    highest = now_us + (MAX_CLOCK_STEP - CLOCKS_DIFFER) * 1_000_000 - MARGIN
    assert may_follow(highest, now_us)
    assert not may_follow(highest + 1, now_us)
    one = numbering()
    one.marks(b"", now_us)
    assert one.go_above(highest)
    packets = one.marks(b"", now_us) + one.push([video(key=True, at=1)] * 4, now_us)
    behind_us = now_us - (CLOCKS_DIFFER - 1) * 1_000_000
    for stripe in (Stripe(0), Stripe(1)):
        own = [packet for packet in packets if packet.seq % 2 == stripe]
        check_numbers(own, stripe, stripes=2, known=FIRST, jump=MAX_JUMP, group_time_us=behind_us)
