"""Header fields with a grammar of their own: Transport, Session, RTP-Info (RFC 2326, 12)."""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from common.errors import RtspError
from common.ids import MAX_PORT

MAX_CHANNEL = 255
_MAX_OFFERS = 32
"""More alternatives in one Transport header are not looked at."""


class Lower(enum.Enum):
    """What carries RTP."""

    UDP = "UDP"
    TCP = "TCP"


class Offer(NamedTuple):
    """One alternative of a Transport header that we can serve."""

    lower: Lower
    pair: tuple[int, int] | None
    """For RTP and RTCP: client ports over UDP, channels over TCP (None: the server chooses)."""
    spec: str
    """Its first part as the client wrote it: `RTP/AVP`, `RTP/AVP/UDP` or `RTP/AVP/TCP`."""


_LOWER = {"RTP/AVP": Lower.UDP, "RTP/AVP/UDP": Lower.UDP, "RTP/AVP/TCP": Lower.TCP}


def parse_transport(value: str) -> list[Offer]:
    """Return the alternatives that can be served, in the client's order.

    Multicast, recording, unknown profiles and impossible ports are left out; an empty list calls
    for status 461. Raises RtspError(400) where there is nothing that names a transport.
    """
    alternatives = [part.strip() for part in value.split(",")[:_MAX_OFFERS] if part.strip()]
    if not alternatives:
        raise RtspError(400, "Transport header names no transport")
    offers = [_parse_offer(alternative) for alternative in alternatives]
    return [offer for offer in offers if offer is not None]


def over_tunnel(offers: Sequence[Offer]) -> list[Offer]:
    """Return what can be served through HTTP: everything goes on the one connection.

    QuickTime now and then asks for UDP there (live555's server has met it); it means channels.
    """
    tcp = [offer for offer in offers if offer.lower is Lower.TCP]
    return tcp or [Offer(Lower.TCP, None, "RTP/AVP/TCP")] * bool(offers)


def _parse_offer(alternative: str) -> Offer | None:
    spec, *parameters = [part.strip() for part in alternative.split(";")]
    lower = _LOWER.get(spec.upper())
    names = {
        name.strip().lower(): value for name, _, value in (p.partition("=") for p in parameters)
    }
    mode = names.get("mode", "PLAY").strip('" ').upper()
    if lower is None or "multicast" in names or mode != "PLAY":
        return None
    if lower is Lower.TCP:
        if "interleaved" not in names:
            return Offer(lower, None, spec)
        pair = _parse_pair(names["interleaved"], 0, MAX_CHANNEL)
    else:
        pair = _parse_pair(names.get("client_port", ""), 1, MAX_PORT)
    return None if pair is None else Offer(lower, pair, spec)


def _parse_pair(text: str, low: int, high: int) -> tuple[int, int] | None:
    """Read `a-b`, or `a` for `a` and the next one; None where that is no pair in the range."""
    first, dash, second = text.strip().partition("-")
    numbers = [first, second] if dash else [first]
    if not all(n.isascii() and n.isdigit() and len(n) <= len(str(high)) for n in numbers):
        return None
    a = int(first)
    b = int(second) if dash else a + 1
    return (a, b) if low <= a <= high and low <= b <= high and a != b else None


def session_id(value: str) -> str:
    """Return the id of a Session header without its parameters."""
    return value.partition(";")[0].strip()


class StreamInfo(NamedTuple):
    """One stream of an RTP-Info header (RFC 2326, 12.33)."""

    url: str
    seq: int
    rtptime: int


def rtp_info(streams: Sequence[StreamInfo]) -> str:
    """Return the value of an RTP-Info header."""
    return ",".join(f"url={s.url};seq={s.seq};rtptime={s.rtptime}" for s in streams)
