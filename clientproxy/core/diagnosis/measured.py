"""What the doctor measures. None, or empty, is: not measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from common.fields import Track

Outcome: TypeAlias = Literal["connected", "refused", "no answer", "unreachable"]
Answer: TypeAlias = Literal[
    "server proxy", "client proxy", "another version", "something else", "nothing"
]
Key: TypeAlias = Literal["listen", "rtsp", "http"]
State: TypeAlias = Literal["free", "client proxy", "another client proxy", "taken", "impossible"]
"""another: none whose `http` answers where it is asked; `clientproxy doctor` is one for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One connection to the server proxy's overlay port."""

    host: str
    """The number that the name stands for."""
    family: Literal["IPv4", "IPv6"]
    outcome: Outcome
    seconds: float
    """Until the outcome."""
    why: str = ""
    """What the system says, where it is unreachable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Who answers at the address that was given."""

    address: str
    host: str
    port: int
    unknown_name: str = ""
    """Why the name stands for no address."""
    attempts: Sequence[Attempt] = ()
    """In the order in which a client proxy tries them."""
    answer: Answer | None = None
    said: str = ""
    """What came as an answer, in one line."""
    channels: Sequence[str] | None = None
    local_host: str = ""
    """Address of this machine on the way there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that `clientproxy run` would open with the same configuration."""

    key: Key
    address: str
    port: int
    state: State
    why: str = ""
    """What the system says, where it is impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The client proxy that runs here already, as its API says."""

    overlay: str
    rtsp: str
    http: str
    reached: bool | None = None
    """Other nodes can reach it; None: it has joined no channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The server proxy's clock less this machine's."""

    offset: float
    """Seconds; positive: this machine is behind."""
    uncertainty: float
    """Seconds by which the offset may be wrong: half of the least round trip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Who feeds one stripe."""

    stripe: int
    node: str | None
    hops: int = 0
    """From the server proxy to this machine; 0: not told."""
    rtt: float = 0.0
    behind: float = 0.0
    """Seconds that a packet takes from the parent, more than at best."""
    received: int = 0
    """Packets of this stripe in the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A few seconds as a node of a channel."""

    channel: str
    refused: str = ""
    """Why the server proxy did not let this machine in."""
    full: bool = False
    """Because there is no slot."""
    offered: bool = False
    """The server proxy has given it a place."""
    source_up: bool = False
    source_trouble: str = ""
    """Why it is down, and since when, as the server proxy says."""
    reached: Sequence[str] = ()
    """Addresses at which the server proxy reached this machine."""
    tested_port: int = 0
    """Overlay port that it dialled."""
    advertised: Sequence[str] = ()
    """Where the configuration says that this machine is."""
    tracks: Sequence[Track] = ()
    stripes: int = 0
    first_packet: float | None = None
    """Seconds from asking for a place to the first packet in order."""
    seconds: float = 0.0
    """Of wall time that were looked at, from the first packet on."""
    stream_seconds: float = 0.0
    """Of the stream that came in them: more while catching up, less on a line that is too slow."""
    bytes: int = 0
    """RTP and RTCP bytes that came in them."""
    packets: int = 0
    fastest: float = 0.0
    """Most bytes a second, over half a second."""
    delay: float = 0.0
    """Seconds from the server proxy to here: the least of the last second, for a pause says
    nothing."""
    lost: int = 0
    late: int = 0
    """Packets that came after they were given up, or twice."""
    deepest: int = 0
    """Most packets that waited for one before them."""
    held_up: float = 0.0
    """Share of the looks, twenty a second, that came more than 100 ms late: the machine is busy."""
    parents: Sequence[Parent] = ()
    no_parent: str = ""
    """Why a stripe has none, where all that were named were asked in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All that was measured."""

    server: Server
    asked: str | None = None
    """Channel that was asked for."""
    ports: Sequence[Port] = ()
    running: Running | None = None
    clock: Clock | None = None
    round_trips: Sequence[float] = ()
    """Seconds, in order, while the stream came in."""
    sample: Sample | None = None
