"""Configuration of the server proxy: `config/serverproxy.yaml` shows every key."""

import argparse
import re
import ssl
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, field_validator, model_validator

from common.fields import AddPolicyName, DeletePolicyName, JoinMode
from common.ids import Address
from common.runtime.config import ChannelName, Draft, ListenAddress, PeerAddress, Settings
from common.runtime.log import LogFormat, LogLevel
from serverproxy.core.testcardurl import SCHEME as TEST_CARD
from serverproxy.core.testcardurl import parse as parse_testcard

OVERLAY_PORT = 7854
HTTP_PORT = 9854
SERVED_STRIPES = 2
MAX_CHANNELS = 256


def _source(url: str) -> str:
    if url.startswith(TEST_CARD):
        parse_testcard(url)
        return url
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in {"rtsp", "rtsps"} or not host or not url.isprintable() or " " in url:
        raise ValueError(
            f"is not a source: write rtsp://HOST/PATH, rtsps://HOST/PATH or {TEST_CARD}"
        )
    return url


def _fingerprint(text: str) -> str:
    digits = text.replace(":", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(
            f"{text!r} is not a SHA-256 fingerprint: write 64 hex digits, with or without colons"
        )
    return digits


def _ca(path: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        raise ValueError(f"{path!r} holds no certificate: write the path of a PEM file") from error
    except OSError as error:
        raise ValueError(f"{path!r} cannot be read: {error.strerror}") from error
    return path


def _stripes(count: int) -> int:
    if count not in range(1, SERVED_STRIPES + 1):
        raise ValueError(f"{count} stripes are not served yet: write 1 or {SERVED_STRIPES}")
    return count


class ChannelConfig(Settings):
    """One channel. `source` holds no credentials: they are in `username` and `password`."""

    source: Annotated[str, AfterValidator(_source)]
    """`rtsp://…`, `rtsps://…` or `testcard:`."""
    transport: Literal["auto", "tcp", "udp"] = "auto"
    """How RTP comes from the source; `auto` is TCP, then UDP where TCP is refused with 461."""
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password: Annotated[SecretStr, Field(max_length=256)] | None = None
    ca: Annotated[str, AfterValidator(_ca)] | None = None
    """Path of a PEM file with the certificates that vouch for the source's own (`rtsps://`)."""
    fingerprint: Annotated[str, AfterValidator(_fingerprint)] | None = None
    """SHA-256 of the source's certificate: 64 lower-case hex digits (`rtsps://`)."""
    stripes: Annotated[int, AfterValidator(_stripes)] = 2
    children_per_stripe: Annotated[int, Field(ge=1, le=64)] = 1
    """Nodes that the server proxy sends each stripe to."""
    repair_slots: Annotated[int, Field(ge=0, le=64)] = 1
    """Nodes more per stripe while a tree is being repaired."""
    placement: Literal["shallow", "zebra"] = "shallow"
    join: JoinMode = "directory"
    """How nodes find a parent: among those that the server proxy names, or by redirects alone."""
    add_policy: AddPolicyName = "round_robin"
    """Of `redirect`: to which of its children a parent without a slot sends a newcomer."""
    delete_policy: DeletePolicyName = "grandfather"
    """Of `redirect`: where the children of a node go that leaves or dies."""
    source_timeout: Annotated[float, Field(ge=0.5, le=300)] = 5.0
    """Seconds without RTP after which the source counts as lost."""
    log_time: Annotated[float, Field(ge=1, le=300)] = 15.0
    """Seconds of the stream that each stripe log keeps at most."""
    log_bytes: Annotated[int, Field(ge=65_536, le=2**31)] = 33_554_432
    """Bytes that each stripe log keeps at most."""
    repair_grace: Annotated[float, Field(ge=1, le=300)] = 10.0
    """Seconds for which a node may have one child more than it has slots."""

    @model_validator(mode="before")
    @classmethod
    def _take_credentials(cls, values: object) -> object:
        """Move the credentials of the URL to their own keys; those that are given there win."""
        if not isinstance(values, dict) or not isinstance(values.get("source"), str):
            return values
        scheme, slashes, rest = values["source"].partition("://")
        authority, slash, path = rest.partition("/")
        userinfo, at, host = authority.rpartition("@")
        if not at:
            return values
        username, colon, password = userinfo.partition(":")
        found = {"username": unquote(username), "password": unquote(password) if colon else None}
        given = {key: value for key, value in found.items() if value is not None}
        return {**given, **values, "source": f"{scheme}{slashes}{host}{slash}{path}"}

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValueError("password stands without a username: write both")
        for key, value in (("ca", self.ca), ("fingerprint", self.fingerprint)):
            if value is not None and not self.source.startswith("rtsps://"):
                raise ValueError(f"{key} is for rtsps:// sources only: leave it away")
        return self


class ServerConfig(Settings):
    """What the server proxy is told."""

    listen: ListenAddress = Address("", OVERLAY_PORT)
    """Where nodes come to; host '' is all addresses."""
    http: ListenAddress = Address("127.0.0.1", HTTP_PORT)
    """Metrics, health and status API."""
    advertise: Annotated[tuple[PeerAddress, ...], Field(max_length=8)] = ()
    """Addresses at which nodes reach the server proxy; port 0 is the port of `listen`."""
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    channels: Annotated[dict[ChannelName, ChannelConfig], Field(max_length=MAX_CHANNELS)] = Field(
        default_factory=dict, validate_default=True
    )

    _args: argparse.Namespace | None = PrivateAttr(default=None)

    def model_post_init(self, context: object, /) -> None:
        """Keep the arguments for `reload`."""
        self._args = context if isinstance(context, argparse.Namespace) else None

    @field_validator("channels")
    @classmethod
    def _some(cls, channels: dict[str, ChannelConfig]) -> dict[str, ChannelConfig]:
        if not channels:
            raise ValueError("there is no channel: write --channel NAME=URL or a key of channels")
        return channels

    def reload(self) -> "ServerConfig":
        """Read file and flags again; raise ConfigError. Without them, return this one."""
        return self if self._args is None else load(self._args)


def load(args: argparse.Namespace) -> ServerConfig:
    """Return the configuration of these arguments (`serverproxy run`); raise ConfigError.

    `args` has `config` (a path or None), `channel` (list of (name, URL)), `listen`, `http`,
    `log_level`, `log_format`, each None where it was not given.
    """
    draft = Draft(args.config)
    for name, url in args.channel or ():
        draft.set(("channels", name, "source"), url, f"--channel {name}")
    for key in ("listen", "http", "log_level", "log_format"):
        if (value := getattr(args, key)) is not None:
            draft.set((key,), value, "--" + key.replace("_", "-"))
    return draft.model(ServerConfig, args)


def check(file: Path) -> ServerConfig:
    """Return the configuration of a file alone; raise ConfigError."""
    return Draft(file).model(ServerConfig)
