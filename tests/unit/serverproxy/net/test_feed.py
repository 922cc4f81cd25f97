"""What the root of the trees takes over from an earlier server process."""

import pytest

from common.fields import Track
from common.runtime.childfeed import BURST_BYTES
from serverproxy.config import ChannelConfig
from serverproxy.core.events import SourceDescription, SourcePacket
from serverproxy.net.feed import COMING_BACK, ChannelFeed
from tests.support.noted import Clock

BEGAN = 1_000_000
"""Start of the process, and its first sequence number; behind it are the marks of two stripes."""


def keyframe(timestamp: int = 0, size: int = 20) -> SourcePacket:
    header = b"\x80\x60\0\0" + timestamp.to_bytes(4) + b"ssrc"
    return SourcePacket(0, False, (header + b"\x65key").ljust(size, b"\0"))


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> ChannelFeed:
    Clock(monkeypatch)
    config = ChannelConfig.model_validate({"source": "rtsp://127.0.0.1/none"})
    return ChannelFeed("cam", config, instance_us=BEGAN)


def test_the_group_key_of_the_process_before_goes_on(feed: ChannelFeed) -> None:
    """Else its nodes, which know that one, would not take each other's children."""
    assert not feed.accepts("before")
    feed.adopt("before")
    assert feed.group_key == "before"
    assert feed.accepts("before")


def test_one_key_goes_on_and_few_others_are_good_too(feed: ChannelFeed) -> None:
    for key in ("before", "before", "another", "third", "fourth"):
        feed.adopt(key)
    assert feed.group_key == "before"
    known = [feed.accepts(key) for key in ("before", "another", "third", "fourth")]
    assert known == [True, True, True, False]


def test_no_key_goes_on_once_a_node_has_been_given_one(feed: ChannelFeed) -> None:
    """That node would know none but its own. Who is not back yet is a child all the same."""
    own = feed.group_key
    feed.keep_key()
    feed.adopt("before")
    assert feed.group_key == own
    assert feed.accepts("before")


def test_why_the_source_does_not_play_and_since_when(
    feed: ChannelFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([7_200_000_000, 7_260_000_000, 9_000_000_000])
    monkeypatch.setattr(feed, "now_us", lambda: next(clock))
    assert feed.trouble == "not connected yet (since 00:00:01 UTC)"
    feed.source_down("camera:554 refuses connections")
    assert feed.trouble == "camera:554 refuses connections (since 00:00:01 UTC)"
    feed.up = True
    assert feed.trouble == ""
    feed.source_down("no answer")
    feed.source_down("no route")  # still down, for another reason
    assert feed.trouble == "no route (since 02:00:00 UTC)"
    feed.source_down("x" * 5000)
    assert len(feed.trouble) <= 1000


def test_the_logs_of_newcomers_reach_back_to_the_first_packet_while_others_come_back(
    feed: ChannelFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes back under a newcomer lacks the marks, and all that came before the keyframe."""
    feed.source_up(SourceDescription("v=0", (Track(0, "video", "H264", 90_000, 96),)))
    feed.source_packets([keyframe()])
    assert (feed.start, feed.logs_from) == (BEGAN + 2, BEGAN)
    monkeypatch.setattr(feed, "now_us", lambda: BEGAN + int(COMING_BACK * 1e6))
    assert (feed.start, feed.logs_from) == (BEGAN + 2, 0), "all are back: it begins at once"


def test_the_logs_of_newcomers_reach_back_no_further_than_is_given_at_once(
    feed: ChannelFeed,
) -> None:
    """What is paced would keep their players waiting."""
    feed.source_up(SourceDescription("v=0", (Track(0, "video", "H264", 90_000, 96),)))
    feed.source_packets([keyframe()])
    assert feed.logs_from == BEGAN
    while max(own.size_bytes for own in feed.logs) <= BURST_BYTES:
        feed.source_packets([keyframe(size=60_000)])
    assert feed.logs_from == 0


def test_nobody_begins_before_numbers_that_an_earlier_process_has_used(feed: ChannelFeed) -> None:
    """Who has come back has nothing from in between, and would be the newcomer's parent."""
    feed.source_up(SourceDescription("v=0", (Track(0, "video", "H264", 90_000, 96),)))
    feed.source_packets([keyframe()])
    assert feed.go_above(2 * BEGAN, "192.0.2.1")
    above = feed.numbering.next - 2
    assert above > 2 * BEGAN
    assert (feed.start, feed.logs_from) == (above, above)
    feed.source_packets([keyframe(9000)])
    assert (feed.start, feed.logs_from) == (above + 2, above)
