"""One pull: one connection, one RTSP session, all of its media, until it ends."""

import asyncio
import contextlib
import secrets
from dataclasses import dataclass

from aiortsp.rtsp.errors import RTSPError
from aiortsp.rtsp.parser import RTSPResponse

from common.codec import encode_body
from common.errors import SourceError
from common.fields import MAX_STREAM_BYTES, Stream
from common.runtime.tasks import Tasks
from serverproxy.core import media
from serverproxy.core.events import SourceDescription
from serverproxy.core.sourcestats import SourceStats
from serverproxy.core.transport import (
    DEFAULT_SESSION_TIMEOUT,
    Transport,
    read_session,
    read_transport,
)
from serverproxy.net.source.connection import SourceConnection, header
from serverproxy.net.source.faults import NoMediaError, RedirectedError, StatusError, explain
from serverproxy.net.source.intake import Intake
from serverproxy.net.source.keepalive import keep_alive
from serverproxy.net.source.receiver import Receiver
from serverproxy.net.source.target import Target
from serverproxy.net.source.udp import UdpPair

REQUEST_TIMEOUT = 8.0
"""Seconds that the source has to take a connection, and to answer a request."""
_REDIRECTS = (301, 302, 303, 305, 307, 308)
_NO_AGGREGATE, _BAD_RANGE = 459, 457
_REPORT_INTERVAL = 5.0
_MOST_KEEP_ALIVE_INTERVAL = 25.0
_TEARDOWN_TIMEOUT = 1.0
_TICK = 0.25
_HELD_UP = 1.0


@dataclass(slots=True)
class _Lane:
    """One medium that has been set up."""

    receiver: Receiver
    control: str
    udp: UdpPair | None = None
    rtcp_channel: int | None = None


class Pull:
    """One life of a session."""

    def __init__(
        self, target: Target, intake: Intake, stats: SourceStats, known: media.Description | None
    ) -> None:
        """Take `known`, the description that the sink has: its order of tracks is kept."""
        self._target, self._intake, self._stats = target, intake, stats
        self.description = known
        """What the source plays, once the pull has read it."""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._connection = SourceConnection(
            target.url,
            target.credentials,
            tls=target.tls,
            timeout=REQUEST_TIMEOUT,
            on_lost=self._end,
        )
        self._connection.on_batch = intake.flush
        self._lanes: list[_Lane] = []
        self._tasks = Tasks()
        self._session = ""
        self._session_timeout = DEFAULT_SESSION_TIMEOUT
        self._base = self._aggregate = target.url.request
        self._public = ""
        self._ssrc = secrets.randbits(32)
        self._cname = secrets.token_hex(8)

    async def run(self) -> str:
        """Play until the pull ends; return why.

        Raises SourceError where it could not begin: StatusError, RedirectedError or NoMediaError
        where the caller can do something about it.
        """
        try:
            await self._connect()
            description = await self._describe()
            stream = Stream(0, 0, description.sdp, description.tracks)
            if (size := len(encode_body(stream))) > MAX_STREAM_BYTES:
                raise SourceError(f"its SDP takes {size} bytes, at most {MAX_STREAM_BYTES} fit")
            self._intake.begin(SourceDescription(description.sdp, description.tracks))
            for medium in description.media:
                await self._setup(medium)
            await self._play()
            fields = {"channel": self._target.channel}
            self._tasks.spawn(self._keep_alive(), name="source keep-alive", fields=fields)
            return await self._watch()
        finally:
            await self._close()

    def _end(self, reason: str) -> None:
        if not self._ended.done():
            self._ended.set_result(reason)

    async def _connect(self) -> None:
        try:
            await self._connection.connect()
        except RTSPError as error:
            raise self._explained(error, "the connection") from error
        self._connection.verify(self._target.fingerprint)

    async def _request(self, method: str, url: str, **headers: str) -> RTSPResponse:
        if self._session:
            headers["Session"] = self._session
        try:
            return await self._connection.request(method, url, headers)
        except RTSPError as error:
            response = getattr(error, "response", None)
            if isinstance(response, RTSPResponse) and response.status in _REDIRECTS:
                raise RedirectedError(header(response, "location")) from None
            raise self._explained(error, method) from error

    def _explained(self, error: RTSPError, method: str) -> SourceError:
        has_password = self._target.credentials is not None
        return explain(error, method, self._target.url, has_password=has_password)

    async def _describe(self) -> media.Description:
        url = self._target.url.request
        try:
            self._public = header(await self._request("OPTIONS", url), "public")
        except RedirectedError:
            raise
        except StatusError as error:
            if error.status == 401:  # noqa: PLR2004 - Unauthorized: DESCRIBE would fail alike
                raise
        response = await self._request("DESCRIBE", url, Accept="application/sdp")
        fresh = media.read(media.decode(response.data))
        if not fresh.media:
            raise SourceError("its SDP names no audio or video over RTP: is the path right?")
        self.description = media.align(fresh, self.description)
        base = header(response, "content-base") or header(response, "content-location")
        self._base = media.resolve(url, base)
        self._aggregate = media.resolve(self._base, self.description.control)
        return self.description

    async def _setup(self, medium: media.Medium) -> None:
        receiver = Receiver(medium.track, self._intake, self._stats, ordered=self._target.tcp)
        lane = _Lane(receiver, media.resolve(self._base, medium.control))
        channel = 2 * len(self._lanes)
        self._lanes.append(lane)
        if self._target.tcp:
            asked = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
            # packets may come on the heels of the answer, before it is read here
            self._listen(receiver, (channel, channel + 1))
        else:
            lane.udp = self._open_udp(receiver)
            ports = lane.udp.ports
            asked = f"RTP/AVP;unicast;client_port={ports[0]}-{ports[1]}"
        response = await self._request("SETUP", lane.control, Transport=asked)
        if session := header(response, "session"):
            self._session, self._session_timeout = read_session(session)
        self._agree(lane, read_transport(header(response, "transport")), channel)

    def _agree(self, lane: _Lane, given: Transport, channel: int) -> None:
        """Follow what the server answered to SETUP."""
        if lane.udp is not None:
            if given.tcp:
                raise SourceError("asked for UDP, the source answers TCP: set transport to tcp")
            lane.udp.open(given.server_ports, given.source)
            return
        if given.server_ports is not None and not given.tcp:
            raise SourceError("asked for TCP, the source answers UDP: set transport to udp")
        lane.rtcp_channel = channel + 1
        if given.channels is not None:
            lane.rtcp_channel = given.channels[1]
            if given.channels != (channel, channel + 1):
                self._listen(lane.receiver, given.channels)

    def _listen(self, receiver: Receiver, channels: tuple[int, int]) -> None:
        for channel in channels:
            self._connection.binary_handlers[channel] = receiver.take

    def _open_udp(self, receiver: Receiver) -> UdpPair:
        return UdpPair(
            self._connection.endpoint("sockname"),
            self._connection.endpoint("peername"),
            on_packet=receiver.take,
            on_foreign=self._count_foreign,
            on_batch=self._intake.soon,
        )

    def _count_foreign(self) -> None:
        self._stats.foreign += 1

    async def _play(self) -> None:
        try:
            await self._play_url(self._aggregate)
        except StatusError as error:
            if error.status != _NO_AGGREGATE:
                raise
            for lane in self._lanes:
                await self._play_url(lane.control)

    async def _play_url(self, url: str) -> None:
        try:
            await self._request("PLAY", url, Range="npt=now-")
        except StatusError as error:
            if error.status != _BAD_RANGE:
                raise
            await self._request("PLAY", url)

    async def _watch(self) -> str:
        """Wait for the end of the pull; send reports meanwhile."""
        began = looked = self._loop.time()
        report_at = began + _REPORT_INTERVAL / 2
        while not self._ended.done():
            await asyncio.wait([self._ended], timeout=_TICK)
            now = self._loop.time()
            if now - looked > _HELD_UP:
                began = now  # what came while this process was stopped is still to be read
            looked = now
            if now >= report_at:
                report_at = now + _REPORT_INTERVAL
                self._report()
            self._look(began, now)
        return self._ended.result()

    def _look(self, began: float, now: float) -> None:
        receivers = [lane.receiver for lane in self._lanes]
        for receiver in receivers:
            receiver.count()
        times = [receiver.last_rtp for receiver in receivers if receiver.last_rtp is not None]
        if all(receiver.said_bye for receiver in receivers):
            self._end("the source said goodbye (RTCP BYE)")
        elif now - max([*times, began]) > self._target.timeout:
            if not times and not self._ended.done():
                way = "TCP" if self._target.tcp else "UDP"
                raise NoMediaError(
                    f"it plays, but no RTP came over {way} within {self._target.timeout:g} s"
                )
            self._end(f"no RTP for {self._target.timeout:g} s")

    def _report(self) -> None:
        for lane in self._lanes:
            packet = lane.receiver.report(self._ssrc, self._cname)
            if lane.udp is not None:
                lane.udp.send_rtcp(packet)
            elif lane.rtcp_channel is not None:
                self._connection.send_packet(lane.rtcp_channel, packet)

    async def _keep_alive(self) -> None:
        """Tell the server now and then that we are there; end the pull if that fails."""
        interval = min(self._session_timeout / 2, _MOST_KEEP_ALIVE_INTERVAL)

        def plays() -> bool:
            newest = max((lane.receiver.last_rtp or 0.0 for lane in self._lanes), default=0.0)
            return self._loop.time() - newest <= interval

        reason = await keep_alive(
            lambda method: self._request(method, self._aggregate),
            plays,
            method="GET_PARAMETER" if "GET_PARAMETER" in self._public.upper() else "OPTIONS",
            interval=interval,
            channel=self._target.channel,
        )
        self._end(reason)

    async def _close(self) -> None:
        try:
            await self._tasks.close()
            if self._session and self._connection.running:
                with contextlib.suppress(SourceError, TimeoutError):
                    async with asyncio.timeout(_TEARDOWN_TIMEOUT):
                        await self._request("TEARDOWN", self._aggregate)
        finally:
            for lane in self._lanes:
                lane.receiver.close()
                if lane.udp is not None:
                    lane.udp.close()
            self._stats.bad_frames += self._connection.stray
            self._intake.end()
            if self._connection.running:
                self._connection.abort()
                await asyncio.wait([self._connection.gone], timeout=_TEARDOWN_TIMEOUT)
