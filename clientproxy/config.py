"""Configuration of the client proxy: `config/clientproxy.yaml` shows every key."""

import argparse
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from common.ids import Address
from common.runtime.config import ChannelName, Draft, ListenAddress, PeerAddress, Settings
from common.runtime.log import LogFormat, LogLevel

SERVER_PORT = 7854
OVERLAY_PORT = 7855
RTSP_PORT = 8554
HTTP_PORT = 9855
ANY_HOST = "*"


def _server(address: Address) -> Address:
    return Address(address.host.lower(), address.port or SERVER_PORT)


def _auto(value: object) -> object:
    return None if value == "auto" else value


ServerAddress = Annotated[PeerAddress, AfterValidator(_server)]
"""`HOST` or `HOST:PORT` of a server proxy."""


class ClientConfig(Settings):
    """What the client proxy is told."""

    server: ServerAddress | None = None
    """The server proxy; None: each player's URL names it (`rtsp://localhost:8554/HOST/CHANNEL`)."""
    listen: ListenAddress = Address("", OVERLAY_PORT)
    """Where other nodes come to; host '' is all addresses."""
    rtsp: ListenAddress = Address("127.0.0.1", RTSP_PORT)
    """Where players come to."""
    http: ListenAddress = Address("127.0.0.1", HTTP_PORT)
    """Metrics, health and status API."""
    advertise: Annotated[tuple[PeerAddress, ...], Field(max_length=8)] = ()
    """Addresses at which other nodes reach this one; port 0 is the port of `listen`."""
    max_children: Annotated[Annotated[int, Field(ge=0, le=256)] | None, BeforeValidator(_auto)] = (
        None
    )
    """Slots over all stripes, a hard limit; None (`auto`): the server proxy works it out."""
    join: Annotated[tuple[ChannelName, ...], Field(max_length=64)] = ()
    """Channels that are joined at once and kept, without waiting for a player."""
    reorder_timeout: Annotated[float, Field(ge=0.05, le=60)] = 2.0
    """Seconds for which a missing packet is waited for."""
    join_timeout: Annotated[float, Field(ge=0.5, le=60)] = 4.0
    """Seconds after which a player that waits for its channel is refused."""
    linger: Annotated[float, Field(ge=0, le=86_400)] = 10.0
    """Seconds for which a channel is kept after its last player has gone."""
    log_time: Annotated[float, Field(ge=1, le=300)] = 15.0
    """Seconds of the stream that each stripe log keeps at most."""
    log_bytes: Annotated[int, Field(ge=65_536, le=2**31)] = 33_554_432
    """Bytes that each stripe log keeps at most."""
    allow_servers: Annotated[tuple[ServerAddress, ...], Field(max_length=64)] = ()
    """Server proxies that a player's URL may name besides `server`; `*`: any."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"

    _args: argparse.Namespace | None = PrivateAttr(default=None)

    def model_post_init(self, context: object, /) -> None:
        """Keep the arguments for `reload`."""
        self._args = context if isinstance(context, argparse.Namespace) else None

    @model_validator(mode="after")
    def _check_join(self) -> Self:
        if self.join and self.server is None:
            raise ValueError("join needs a server: write `server: HOST` or the argument SERVER")
        return self

    def allows(self, server: Address) -> bool:
        """Return whether a player's URL may name this server proxy.

        With neither `server` nor `allow_servers` it may name any: there is nothing else to play.
        """
        allowed = (*self.allow_servers, *((self.server,) if self.server else ()))
        if not allowed or any(one.host == ANY_HOST for one in allowed):
            return True
        return _server(server) in allowed

    def reload(self) -> "ClientConfig":
        """Read file and flags again; raise ConfigError. Without them, return this one."""
        return self if self._args is None else load(self._args)


def load(args: argparse.Namespace) -> ClientConfig:
    """Return the configuration of these arguments (`clientproxy run`); raise ConfigError.

    `args` has `config` (a path or None), `server`, `listen`, `rtsp`, `http`, `max_children`,
    `join` (a list), `log_level`, `log_format`, each None where it was not given.
    """
    draft = Draft(args.config)
    if args.server is not None:
        draft.set(("server",), args.server, "SERVER")
    if args.join:
        draft.set(("join",), tuple(args.join), "--join")
    for key in ("listen", "rtsp", "http", "max_children", "log_level", "log_format"):
        if (value := getattr(args, key)) is not None:
            draft.set((key,), value, "--" + key.replace("_", "-"))
    return draft.model(ClientConfig, args)


def check(file: Path) -> ClientConfig:
    """Return the configuration of a file alone; raise ConfigError."""
    return Draft(file).model(ClientConfig)
