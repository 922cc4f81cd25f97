"""Configuration of the client proxy: `config/clientproxy.yaml` shows every key."""

import argparse
from collections.abc import Hashable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    PrivateAttr,
    SecretStr,
    WithJsonSchema,
)

from common.ids import SERVER_PORT, Address
from common.rtsp.auth import Access
from common.runtime.addresses import ListenAddress, PeerAddress, overlap, peer_address
from common.runtime.capture import Target
from common.runtime.config import ChannelName, Draft, Settings, check_reread
from common.runtime.faults import Impossible, quoted
from common.runtime.keys import Key
from common.runtime.log import LogFormat, LogLevel
from common.runtime.pcapfiles import writable
from common.runtime.strictyaml import plain

OVERLAY_PORT = 7855
RTSP_PORT = 8554
HTTP_PORT = 9855
MOST_CHILDREN = 256
ANY_HOST = "*"
PORTS = ("listen", "rtsp", "http")

T = TypeVar("T", bound=Hashable)


def _server(address: Address) -> Address:
    return Address(address.host.lower(), address.port or SERVER_PORT)


def _auto(value: object) -> object:
    if value is None or value == "auto":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_CHILDREN:
        raise ValueError(
            f"{quoted(value)} is not a whole number from 0 to {MOST_CHILDREN}: write one without"
            " quotes, or auto"
        )
    return value


def _user(value: object) -> object:
    if isinstance(value, str) and set(value) & set(':"\\'):
        raise ValueError("holds a colon, a quote or a backslash: write a name without them")
    return value


def _allowed(value: object) -> Address:
    return Address(ANY_HOST, SERVER_PORT) if value == ANY_HOST else _server(peer_address(value))


def _once(values: tuple[T, ...]) -> tuple[T, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} comes twice: keep one of them")
    return values


ServerAddress = Annotated[PeerAddress, AfterValidator(_server)]
"""`HOST` or `HOST:PORT` of a server proxy."""
AllowedServer = Annotated[
    InstanceOf[Address],
    BeforeValidator(_allowed),
    WithJsonSchema({"type": "string", "maxLength": 261, "x-type": 'HOST, HOST:PORT or "*"'}),
]
Slots = Annotated[
    int | None,
    BeforeValidator(_auto),
    WithJsonSchema(
        {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 0, "maximum": MOST_CHILDREN}]}
    ),
]


class ClientConfig(Settings):
    """What the client proxy is told."""

    server: Annotated[ServerAddress | None, Key("new")] = None
    """The server proxy: HOST or HOST:PORT (without a port: 7854). null: each player's URL names
    it, as in rtsp://localhost:8554/HOST:7854/CHANNEL."""
    listen: Annotated[ListenAddress, Key("restart")] = Address("", OVERLAY_PORT)
    """Where other client proxies come to: HOST:PORT; :PORT is all addresses, IPv4 and IPv6. Port
    0: any free one. Behind a NAT or firewall, let this port in: else this node can only take, not
    give."""
    rtsp: Annotated[ListenAddress, Key("restart")] = Address("127.0.0.1", RTSP_PORT)
    """Where players come to: HOST:PORT; [::1]:8554 over IPv6. On more than this machine (0.0.0.0,
    :8554) anyone who reaches it can watch: set rtsp_username and rtsp_password."""
    rtsp_username: Annotated[
        str | None,
        Field(min_length=1, max_length=256, pattern=r'^[^:"\\]*$'),
        BeforeValidator(_user),
        Key("new"),
    ] = None
    """User name that players are asked for (rtsp://USER:PASSWORD@HOST:8554/CHANNEL, Digest or
    Basic), on this machine too; without a colon, quote or backslash. null: nobody is asked."""
    rtsp_password: Annotated[SecretStr | None, Field(min_length=1, max_length=256), Key("new")] = (
        None
    )
    """Password of rtsp_username. Better than here it is kept in the environment,
    "${PLAYER_PASSWORD}", or with systemd, "${credential:player-password}"."""
    http: Annotated[ListenAddress, Key("restart")] = Address("127.0.0.1", HTTP_PORT)
    """Status page, metrics, health and API: HOST:PORT."""
    advertise: Annotated[
        tuple[PeerAddress, ...], Field(max_length=8), AfterValidator(_once), Key("now")
    ] = ()
    """Addresses at which other nodes reach this one, where the server proxy would see another
    (NAT): HOST or HOST:PORT (without a port: that of listen)."""
    max_children: Annotated[
        Slots, Field(json_schema_extra={"default": "auto"}), Key("now", "nodes")
    ] = None
    """How many other nodes this one serves, over all stripes of a channel; never passed. auto: the
    server proxy works it out (3 with two stripes). 0 only watches."""
    join: Annotated[
        tuple[ChannelName, ...], Field(max_length=64), AfterValidator(_once), Key("now")
    ] = ()
    """Channels that are joined at once and kept, without waiting for a player. Needs server."""
    reorder_timeout: Annotated[float, Field(ge=0.05, le=60), Key("now", "seconds")] = 2.0
    """How long a missing packet is waited for before it counts as lost; at most log_time."""
    join_timeout: Annotated[float, Field(ge=0.5, le=60), Key("now", "seconds")] = 4.0
    """After which time a player whose channel cannot be had is told so. VLC gives up after 5."""
    linger: Annotated[float, Field(ge=0, le=86_400), Key("now", "seconds")] = 10.0
    """How long a channel is kept after its last player has gone."""
    log_time: Annotated[float, Field(ge=1, le=300), Key("now", "seconds")] = 15.0
    """How much of the stream is kept for those who reconnect, per stripe."""
    log_bytes: Annotated[int, Field(ge=65_536, le=2**31), Key("now", "bytes")] = 33_554_432
    """How much of the stream is kept at most, per stripe: 33554432 is 32 MiB."""
    allow_servers: Annotated[
        tuple[AllowedServer, ...],
        Field(max_length=64),
        AfterValidator(_once),
        Key("now"),
    ] = ()
    """Server proxies besides server that a player's URL may name: HOST or HOST:PORT, or "*" for
    any. With neither this nor server it may name any."""
    log_level: Annotated[LogLevel, Key("now")] = "info"
    """What is logged."""
    log_format: Annotated[LogFormat, Key("now")] = "text"
    """How it is logged: text or json, one line per event, to standard error."""
    pcap: Annotated[
        str | None,
        Field(min_length=1, max_length=4000),
        AfterValidator(lambda one: one and writable(one)),
        Key("now"),
    ] = None
    """File that what comes from parents and goes to children and players is written to, packet by
    packet, for Wireshark (docs/operations.md). A full one becomes FILE.1, and that FILE.2; so it
    does at the start and at each reload."""
    pcap_bytes: Annotated[int, Field(ge=1_048_576, le=2**31), Key("now", "bytes")] = 67_108_864
    """How long a file of the capture may become: 67108864 is 64 MiB."""
    pcap_files: Annotated[int, Field(ge=1, le=1000), Key("now", "files")] = 4
    """How many files of the capture there may be, with the one that is being written."""

    _args: argparse.Namespace | None = PrivateAttr(default=None)

    def model_post_init(self, context: object, /) -> None:
        """Keep the arguments for `reload`."""
        self._args = context if isinstance(context, argparse.Namespace) else None

    def impossible(self) -> Iterator[Impossible]:
        """Conform to Settings."""
        if self.join and self.server is None:
            yield Impossible(
                ("join", "server"), "needs a server: write `server: HOST` or the argument SERVER"
            )
        if (self.rtsp_username is None) != (self.rtsp_password is None):
            yield Impossible(
                ("rtsp_username", "rtsp_password"), "go together: write both, or neither"
            )
        for one, other in combinations(PORTS, 2):
            if overlap(getattr(self, one), getattr(self, other)):
                yield Impossible((other, one), f"is the port of {one} too: choose another one")
        if self.reorder_timeout > self.log_time:
            yield Impossible(
                ("reorder_timeout", "log_time"),
                f"{self.reorder_timeout:g} is above log_time, which is {self.log_time:g}: what is"
                " waited for would be gone everywhere; write less here, or more there",
            )

    def allows(self, server: Address) -> bool:
        """Return whether a player's URL may name this server proxy.

        With neither `server` nor `allow_servers` it may name any: there is nothing else to play.
        """
        allowed = (*self.allow_servers, *((self.server,) if self.server else ()))
        if not allowed or any(one.host == ANY_HOST for one in allowed):
            return True
        return _server(server) in allowed

    @property
    def access(self) -> Access | None:
        """Whom the RTSP server lets in; None: anyone."""
        if self.rtsp_username is None or self.rtsp_password is None:
            return None
        return Access(self.rtsp_username, self.rtsp_password.get_secret_value())

    @property
    def capture(self) -> Target | None:
        """Where packets are captured to; None: nowhere."""
        return None if self.pcap is None else Target(self.pcap, self.pcap_bytes, self.pcap_files)

    def reload(self) -> "ClientConfig":
        """Read file and flags again; raise ConfigError. Without them, return this one."""
        if self._args is None:
            return self
        check_reread(self._args.config)
        return load(self._args)


def load(args: argparse.Namespace) -> ClientConfig:
    """Return the configuration of these arguments (`clientproxy run`); raise ConfigError.

    `args` has `config` (a path or None), `server`, `listen`, `rtsp`, `http`, `max_children`,
    `join` (a list), `log_level`, `log_format`, `pcap`, each None where it was not given.
    """
    draft = Draft(args.config)
    if args.server is not None:
        draft.set(("server",), args.server, "SERVER")
    if args.join:
        draft.set(("join",), tuple(args.join), "--join")
    if args.max_children is not None:
        draft.set(("max_children",), plain(str(args.max_children)), "--max-children")
    for key in (*PORTS, "log_level", "log_format", "pcap"):
        if (value := getattr(args, key)) is not None:
            draft.set((key,), value, "--" + key.replace("_", "-"))
    return draft.model(ClientConfig, args)


def check(file: Path) -> ClientConfig:
    """Return the configuration of a file alone; raise ConfigError."""
    return Draft(file).model(ClientConfig)
