"""An RTSP server on a stand-in channel `cam` with video and audio."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from clientproxy.net.rtsp_server import RtspServer
from common import rtp
from common.fields import Track
from common.frame import FLAG_KEYFRAME, Packet
from common.ids import Address
from common.runtime.tasks import Tasks
from tests.support.live import UNIX_US
from tests.support.rtp_packets import rtp_packet
from tests.support.rtsp_dialogue import until
from tests.support.rtsp_feed import StandInChannels, StandInFeed

VIDEO = Track(index=0, kind="video", codec="H264", clock_rate=90_000, payload_type=96)
AUDIO = Track(index=1, kind="audio", codec="MPEG4-GENERIC", clock_rate=48_000, payload_type=97)
SDP = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 192.0.2.1",
        "s=stand-in",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=video 0 RTP/AVP 96",
        "a=rtpmap:96 H264/90000",
        "a=control:trackID=7",
        "m=audio 0 RTP/AVP 97",
        "a=rtpmap:97 MPEG4-GENERIC/48000/1",
        "a=control:trackID=8",
        "",
    ]
)


@dataclass
class Stage:
    """What a test plays on."""

    server: RtspServer
    address: Address
    channels: StandInChannels
    feed: StandInFeed
    tasks: Tasks
    skew: float = 0.0
    """Seconds that the server's clock is ahead."""
    numbers: dict[int, int] = field(default_factory=dict)

    async def until_reports(self, count: int) -> None:
        """Wait until the server has got that many receiver reports."""
        await until(lambda: self.server.stats.receiver_reports == count)

    def players(self, server: str | None = None) -> int:
        """Return how many sessions `cam` has, where the player names this server proxy."""
        wanted = ("cam", server)
        return sum((one["channel"], one["server"]) == wanted for one in self.server.sessions)

    def described(self) -> int:
        """Return how many DESCRIBE the server has answered."""
        return self.server.stats.requests["DESCRIBE", 200]

    def packet(
        self, track: Track, at: float, *, size: int = 20, keyframe: bool = False, ssrc: int = 0
    ) -> Packet:
        """Return the next packet of a track."""
        number = self.numbers[track.index] = self.numbers.get(track.index, -1) + 1
        header = rtp.Header(
            True,
            track.payload_type,
            (65_530 + number) % 65_536,
            round(at * track.clock_rate) % 2**32,
            ssrc or 1000 + track.index,
        )
        payload = rtp_packet(header, number.to_bytes(4) * (size // 4))
        flags = FLAG_KEYFRAME if keyframe else 0
        return Packet(number, UNIX_US + round(at * 1e6), track.index, flags, payload)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Serve `cam`; afterwards nothing of the server may be left."""
    loop = asyncio.get_running_loop()
    channels, tasks = StandInChannels(), Tasks()
    feed = channels.feeds["cam", None] = StandInFeed(SDP, [VIDEO, AUDIO])
    server = RtspServer(channels, tasks, clock=lambda: loop.time() + made.skew)
    made = Stage(server, Address("127.0.0.1", 0), channels, feed, tasks)
    made.address = await server.start(made.address)
    yield made
    await server.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("rtsp-")]
    assert feed.viewers == []
    assert server.stats.sessions == server.stats.connections == 0
    await tasks.close()
