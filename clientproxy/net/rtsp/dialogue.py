"""Requests of one connection and the answers to them (RFC 2326, 10)."""

import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from clientproxy.core.events import Channels, ChannelUnavailableError, Feed
from clientproxy.core.session import SESSION_TIMEOUT, Delivery
from clientproxy.net.rtsp.delivery import SocketAddress, Wire
from clientproxy.net.rtsp.player import Player
from clientproxy.net.rtsp.sessions import Sessions
from clientproxy.net.rtsp.terms import Terms
from common.errors import RtspError
from common.ids import Address
from common.rtsp.headers import (
    Lower,
    StreamInfo,
    over_tunnel,
    parse_transport,
    rtp_info,
    session_id,
)
from common.rtsp.messages import FOREIGN_METHODS, METHODS, REASONS, VERSION, Request, Response
from common.rtsp.sdp import for_players
from common.rtsp.url import Target, parse_target

log = logging.getLogger(__name__)

_METHOD_LIST = ", ".join(METHODS)
_MAX_CSEQ_DIGITS = 10
_UNAVAILABLE = 503
_NOT_ALLOWED = 405
_SDP = "application/sdp"
_SDP_RANGES = frozenset({_SDP, "application/*", "*/*"})


class Ends(NamedTuple):
    """The two ends of a connection."""

    local: SocketAddress
    peer: SocketAddress


class Answer(NamedTuple):
    """A response as bytes, and the session that sends once it has gone out."""

    response: bytes
    starts: Player | None = None
    last: bool = False
    """The connection is to be closed."""


Reply = tuple[Response, Player | None]
Handler = Callable[[Request], Awaitable[Reply]]


class Dialogue:
    """What one connection asks for. Every refusal is an answer; nothing is raised."""

    def __init__(
        self,
        channels: Channels,
        sessions: Sessions,
        terms: Terms,
        wire: Wire,
        ends: Ends,
    ) -> None:
        """Take the connection's wire and ends."""
        self._tunnelled = False
        self._channels = channels
        self._sessions = sessions
        self._terms = terms
        self._wire = wire
        self._ends = ends
        self._methods: dict[str, Handler] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "TEARDOWN": self._teardown,
            "GET_PARAMETER": self._parameter,
            "SET_PARAMETER": self._parameter,
        }

    async def answer(self, request: Request) -> Answer:
        """Answer a request, within the time that joining a channel takes."""
        starts: Player | None = None
        cseq: str | None = None
        try:
            cseq = _cseq(request)
            response = await self._terms.refusal(
                request, self._ends.peer[0], self._sessions.clock()
            )
            if response is None:
                response, starts = await self._dispatch(request)
        except ChannelUnavailableError as error:
            response = _unavailable(error)
            told = request.method, response.status, error.why
            log.info("%.32r answered %s: %s", *told, extra=self._fields(request))
        except RtspError as error:
            response = _refusal(error)
            log.info("%.32r refused: %s", request.method, error, extra=self._fields(request))
        label = request.method if request.method in METHODS else "other"
        self._sessions.stats.requests[label, response.status] += 1
        return Answer(response.encode(cseq), starts, self._terms.exhausted)

    def through_http(self, request: Request) -> None:
        """Note that all goes through a tunnel, and who opened it."""
        self._tunnelled = True
        self._terms.admit(request)

    def _fields(self, request: Request) -> dict[str, object]:
        """Return who asks for which channel, for the log."""
        fields: dict[str, object] = {"peer": str(Address(*self._ends.peer[:2]))}
        with contextlib.suppress(RtspError):
            fields["channel"] = parse_target(request.uri).channel
        return fields

    async def _dispatch(self, request: Request) -> Reply:
        if request.version != VERSION:
            raise RtspError(505, f"version {request.version[:16]!r}")
        if request.method in FOREIGN_METHODS:
            raise RtspError(405, "no resource here allows it")
        if request.method not in self._methods:
            raise RtspError(501, "unknown method")
        required = request.headers.joined("Require")
        if required is not None:
            return Response(551, (("Unsupported", required),)), None
        if request.uri == "*" and request.method != "OPTIONS":
            raise RtspError(405, "not for the server as a whole")
        return await self._methods[request.method](request)

    async def _options(self, request: Request) -> Reply:
        ident = request.headers.first("Session")
        if ident is not None:
            self._sessions.refresh(session_id(ident), self._wire)
        return Response(200, (("Public", _METHOD_LIST),)), None

    async def _describe(self, request: Request) -> Reply:
        target = parse_target(request.uri)
        if target.track is not None:
            raise RtspError(404, "only the whole channel can be described")
        accept = request.headers.joined("Accept")
        if accept is not None and _SDP_RANGES.isdisjoint(_media_types(accept)):
            raise RtspError(406, f"only {_SDP} is to be had")
        feed = await self._open(target)
        ipv6 = ":" in self._ends.local[0]
        headers = (("Content-Base", f"{target.base}/"), ("Content-Type", _SDP))
        return Response(200, headers, for_players(feed.sdp, feed.tracks, target, ipv6=ipv6)), None

    async def _setup(self, request: Request) -> Reply:
        target = parse_target(request.uri)
        offers = parse_transport(request.headers.joined("Transport") or "")
        if self._tunnelled:
            offers = over_tunnel(offers)
        player = self._find(request) if request.headers.first("Session") else None
        if target.track is None:
            raise RtspError(459, "SETUP is for one track")
        if player is not None and not player.target.is_channel_of(target):
            raise RtspError(459, "session of another channel")
        feed = await self._open(target)
        track = next((track for track in feed.tracks if track.index == target.track), None)
        if track is None:
            raise RtspError(404, f"channel has no track {target.track}")
        if player is None:
            player = self._sessions.create(target, self._wire)
            player.peer, player.tunnelled = Address(*self._ends.peer[:2]), self._tunnelled
        elif not player.wire.open:
            player.wire = self._wire  # its own is gone: what is interleaved goes over this one
        delivery = player.session.choose(track.index, offers, self._taken_channels(player))
        transport = self._connect(player, track.index, delivery)
        player.session.setup(track.index, delivery)
        player.describe(track, feed.sdp)
        self._sessions.add(player)
        report = feed.sender_reports.get(track.index)
        ssrc = "" if report is None else f";ssrc={report.ssrc:08X}"
        session = f"{player.session.ident};timeout={int(SESSION_TIMEOUT)}"
        return Response(200, (("Transport", transport + ssrc), ("Session", session))), None

    def _connect(self, player: Player, track: int, delivery: Delivery) -> str:
        """Prepare the way for a track; return the Transport header that tells it."""
        a, b = delivery.pair
        if delivery.lower is Lower.TCP:
            return f"{delivery.spec};unicast;interleaved={a}-{b}"
        try:
            ports = player.add_udp(track, delivery, self._ends.local, self._ends.peer)
        except OSError as error:
            raise RtspError(503, f"no UDP ports: {error}") from error
        return f"{delivery.spec};unicast;client_port={a}-{b};server_port={ports[0]}-{ports[1]}"

    async def _play(self, request: Request) -> Reply:
        player = self._find(request)
        self._check_aggregate(player, request.uri)
        player.session.allow("PLAY")
        feed = await self._open(player.target)
        # The session may have ended while its channel was joined.
        player.session.allow("PLAY")
        if not player.fits(feed):
            self._sessions.drop(player)
            raise RtspError(454, "channel has other tracks by now: the player has to start over")
        headers = [("Session", player.session.ident), ("Range", "npt=now-")]
        if player.playing:
            return Response(200, tuple(headers)), None
        starts = player.play(feed, self._sessions.clock())
        streams = [
            StreamInfo(player.target.control(track), start.seq, start.rtptime)
            for track, start in sorted(starts.items())
        ]
        if streams:
            headers.append(("RTP-Info", rtp_info(streams)))
        log.info("player %s plays", player, extra=player.fields)
        return Response(200, tuple(headers)), player

    async def _pause(self, request: Request) -> Reply:
        player = self._find(request)
        self._check_aggregate(player, request.uri)
        player.pause()
        return Response(200, (("Session", player.session.ident),)), None

    async def _teardown(self, request: Request) -> Reply:
        player = self._find(request)
        fields = player.fields
        self._sessions.drop(player)
        log.info("player %s left", player, extra=fields)
        return Response(), None

    async def _parameter(self, request: Request) -> Reply:
        headers: tuple[tuple[str, str], ...] = ()
        if request.headers.first("Session") is not None:
            headers = (("Session", self._find(request).session.ident),)
        if request.body.strip():
            raise RtspError(451, "no parameter is known")
        return Response(200, headers), None

    async def _open(self, target: Target) -> Feed:
        return await self._channels.open(target.channel, target.server)

    def _find(self, request: Request) -> Player:
        """Return the session that a request names. Raises RtspError(454)."""
        ident = session_id(request.headers.first("Session") or "")
        return self._sessions.find(ident, self._wire)

    def _taken_channels(self, player: Player) -> set[int]:
        others = (other for other in self._sessions.on_wire(player.wire) if other is not player)
        return {
            channel
            for other in others
            for delivery in other.session.deliveries.values()
            if delivery.lower is Lower.TCP
            for channel in delivery.pair
        }

    @staticmethod
    def _check_aggregate(player: Player, url: str) -> None:
        """Refuse a URL that is not the session's own (RFC 2326, 10.5)."""
        target = parse_target(url)
        if not player.target.is_channel_of(target):
            raise RtspError(404, "session of another channel")
        tracks = player.session.deliveries
        if target.track is not None and (len(tracks) > 1 or target.track not in tracks):
            raise RtspError(460, "the tracks of a session play together")


def _cseq(request: Request) -> str:
    """Return the number of a request. Raises RtspError(400) where it has none."""
    value = request.headers.first("CSeq") or ""
    if not (value.isascii() and value.isdigit() and len(value) <= _MAX_CSEQ_DIGITS):
        raise RtspError(400, "no CSeq")
    return value


def _media_types(accept: str) -> set[str]:
    return {part.partition(";")[0].strip().lower() for part in accept.split(",")}


def _unavailable(error: ChannelUnavailableError) -> Response:
    status = error.status if error.status in REASONS else _UNAVAILABLE
    if error.retry_after is None:
        return Response(status, why=error.why)
    after = str(max(1, math.ceil(error.retry_after)))
    return Response(status, (("Retry-After", after),), why=error.why)


def _refusal(error: RtspError) -> Response:
    status = error.status if error.status in REASONS else 500
    allowed = (("Allow", _METHOD_LIST),) if status == _NOT_ALLOWED else ()
    return Response(status, allowed, why=error.why)
