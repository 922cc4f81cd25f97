"""A fault at one player is that player's: it ends, the others and the link to the parent do not."""

from collections.abc import Sequence

import pytest

from clientproxy.net.feed import MergedFeed
from common.codec import encode_body
from common.fields import Stream, Track
from common.frame import FrameType, Packet
from tests.support.noted import Clock

VIDEO = Track(index=0, kind="video", codec="H264", clock_rate=90_000, payload_type=96)
SDP = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
OTHER = SDP.replace("H264", "H265")


class Watcher:
    """A viewer that takes note, or fails at whatever it is told of those."""

    def __init__(self, *fails: str) -> None:
        self.fails = fails
        self.told: list[str] = []

    def packets(self, batch: Sequence[Packet]) -> None:
        self._take("packets")

    def source_restarted(self) -> None:
        self._take("source_restarted")

    def ended(self, reason: str) -> None:
        self._take(f"ended: {reason}")

    def _take(self, what: str) -> None:
        self.told.append(what)
        if what.partition(":")[0] in self.fails:
            raise KeyError("a bug")


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> MergedFeed:
    Clock(monkeypatch)
    feed = MergedFeed("cam", reorder_timeout=2.0, history_bytes=1 << 20)
    feed.begin(1, Stream(1, 1, SDP, (VIDEO,)), {}, stripes=1)
    feed.complete()
    return feed


def epoch(seq: int, sdp: str) -> Packet:
    stream = Stream(epoch=1, generation=2, sdp=sdp, tracks=(VIDEO,))
    return Packet(seq, 0, 0, 0, encode_body(stream), FrameType.EPOCH)


def data(seq: int) -> Packet:
    return Packet(seq, 0, 0, 0, b"")


def watch(feed: MergedFeed, *viewers: Watcher) -> None:
    for viewer in viewers:
        feed.add_viewer(viewer)


@pytest.mark.parametrize("more", [(), ("ended",)], ids=["ends", "fails there too"])
def test_who_fails_at_packets_is_ended_and_the_others_have_them(
    feed: MergedFeed, caplog: pytest.LogCaptureFixture, more: tuple[str, ...]
) -> None:
    before, bad, behind = Watcher(), Watcher("packets", *more), Watcher()
    watch(feed, before, bad, behind)
    feed.take([data(1)])
    feed.take([data(2)])
    assert before.told == behind.told == ["packets", "packets"]
    assert bad.told == ["packets", "ended: a bug in this client proxy"]
    assert (feed.viewers, feed.viewer_failures) == (2, 1)
    (record,) = caplog.records
    assert record.exc_info is not None


def test_so_is_who_fails_when_the_source_begins_anew(feed: MergedFeed) -> None:
    bad, good = Watcher("source_restarted"), Watcher()
    watch(feed, bad, good)
    feed.take([epoch(1, SDP)])
    assert good.told == ["source_restarted"]
    assert (feed.viewers, feed.viewer_failures) == (1, 1)


def test_all_are_told_of_other_codecs(feed: MergedFeed) -> None:
    bad, good = Watcher("ended"), Watcher()
    watch(feed, bad, good)
    feed.take([epoch(1, OTHER)])
    assert good.told == ["ended: the source has other codecs, or another format, now"]
    assert feed.viewers == 0


def test_all_are_told_of_the_end(feed: MergedFeed) -> None:
    bad, good = Watcher("ended"), Watcher()
    watch(feed, bad, good)
    feed.end("closed")
    assert good.told == ["ended: closed"]
    assert feed.viewers == 0
