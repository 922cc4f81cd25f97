"""What `clientproxy status` shows: the document of the API as lines. No I/O here."""

from collections.abc import Sequence

import msgspec

from common import words
from common.ids import SERVER_PORT
from common.runtime.addresses import url_host
from common.runtime.table import Column, Line, Tone, facts, fitted, shortened, table, wrapped

MORE = "... and {} more; --json has them all"
_TRANSPORTS = {"udp": "UDP", "tcp": "TCP", "http": "HTTP tunnel"}
LEAST_LINES = 8
"""Lines that each channel gets at least, where there is room at all."""

_STRIPES = (
    Column("STRIPE", need=8, right=True),
    Column("PARENT", need=10, least=6),
    Column("ROUND TRIP", need=4, right=True),
    Column("LATE BY", need=7, right=True),
    Column("STANDBY", need=5, least=6),
    Column("CHILDREN", need=6, least=8),
)
_PLAYERS = (
    Column("PLAYER", need=10, least=12),
    Column("TRANSPORT", need=8),
    Column("STATE", need=6),
    Column("SKIPPED", need=7, right=True),
)


class Verdict(msgspec.Struct):
    """Whose fault it is."""

    blame: str
    sentence: str


class Channel(msgspec.Struct):
    """One channel that is joined."""

    channel: str
    server: str
    delay: float
    delivered: int
    lost: int
    late: int
    players: int
    waiting: int
    verdict: Verdict
    node: str | None = None
    """None, with all that follows, before the first Offer."""
    addresses: list[str] = []
    slots: int = 0
    parents: list[str | None] = []
    parent_addresses: list[str] = []
    standbys: list[str | None] = []
    rtt: list[float] = []
    behind: list[float] = []
    children: list[list[str]] = []


class Session(msgspec.Struct):
    """One player."""

    channel: str
    server: str | None
    peer: str
    transport: str | None
    plays: bool
    skipped: int


class Status(msgspec.Struct):
    """`/api/v1/status`."""

    server: str | None
    overlay: str
    rtsp: str
    channels: list[Channel]
    sessions: list[Session]


def lines(status: Status, width: int, height: int | None) -> list[Line]:
    """Return all of it, at most `height` lines of `width` characters."""
    head = [
        "clientproxy",
        f"players open rtsp://{url_host(status.rtsp)}/CHANNEL",
        f"overlay {status.overlay}",
        f"server proxy {status.server or 'named by each player'}",
    ]
    found = facts(head, width)
    if not status.channels:
        found += [Line(""), Line("No channel is joined: a player that opens one makes it join.")]
    for left, channel in zip(range(len(status.channels), 0, -1), status.channels, strict=True):
        room = None if height is None else max(LEAST_LINES, (height - len(found)) // left - 1)
        mine = [one for one in status.sessions if _watches(one, channel, status.server)]
        found += [
            Line(""),
            *shortened(
                [[line] for line in _channel(channel, mine, status.server, width)], room, MORE
            ),
        ]
    return fitted(found, width, height)


def _watches(session: Session, channel: Channel, server: str | None) -> bool:
    named = session.server if session.server is not None else server
    return session.channel == channel.channel and named in (
        channel.server,
        channel.server.removesuffix(f":{SERVER_PORT}"),
    )


def _channel(
    channel: Channel, sessions: Sequence[Session], server: str | None, width: int
) -> list[Line]:
    tone: Tone = "good" if channel.verdict.blame == "nobody" else "bad"
    name = channel.channel if channel.server == server else f"{channel.server}/{channel.channel}"
    found = wrapped(f"{name}: {channel.verdict.sentence}", width, tone)
    if channel.node is None:
        return found
    head, *body = table(_STRIPES, [_stripe(channel, n) for n in range(len(channel.parents))], width)
    found += [Line(head, "head"), *map(Line, body)]
    found += facts(_figures(channel), width)
    if sessions:
        head, *body = table(_PLAYERS, [_player(one) for one in sessions], width)
        found += [Line(head, "head"), *map(Line, body)]
    return found


def _stripe(channel: Channel, stripe: int) -> Sequence[str]:
    parent, standby = channel.parents[stripe], channel.standbys[stripe]
    name = "none yet" if parent is None else words.short(parent)
    return (
        str(stripe),
        f"{name} {channel.parent_addresses[stripe]}".rstrip(),
        "-" if parent is None else words.time(channel.rtt[stripe]),
        "-" if parent is None else words.time(channel.behind[stripe]),
        "-" if standby is None else words.short(standby),
        " ".join(map(words.short, channel.children[stripe])) or "-",
    )


def _figures(channel: Channel) -> list[str]:
    children = sum(map(len, channel.children))
    delay = words.time(channel.delay) if channel.delivered else "-"
    return [
        f"I am {words.short(channel.node or '?')} at {_address(channel)}",
        f"delay {delay}",
        f"{words.count(channel.lost)} packets lost",
        f"{words.count(channel.late)} too late",
        f"{words.count(channel.waiting)} being put in order",
        f"{children} of {words.plural(channel.slots, 'slot')} used",
        words.plural(channel.players, "player"),
    ]


def _address(channel: Channel) -> str:
    return channel.addresses[0] if channel.addresses else "no address that others reach"


def _player(session: Session) -> Sequence[str]:
    return (
        session.peer,
        _TRANSPORTS.get(session.transport or "", "-"),
        "plays" if session.plays else "does not play",
        words.count(session.skipped),
    )
