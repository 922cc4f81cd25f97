"""Configuration of the server proxy: `config/serverproxy.yaml` shows every key."""

import argparse
import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from common.fields import AddPolicyName, DeletePolicyName, JoinMode
from common.ids import MAX_PORT, SERVER_PORT, Address
from common.runtime.addresses import ListenAddress, overlap
from common.runtime.capture import Target
from common.runtime.config import ChannelName, Draft, Settings, check_reread
from common.runtime.faults import Impossible, quoted
from common.runtime.keys import Key
from common.runtime.log import LogFormat, LogLevel
from common.runtime.pcapfiles import writable
from serverproxy.core.testcardurl import SCHEME as TEST_CARD
from serverproxy.core.testcardurl import parse as parse_testcard

HTTP_PORT = 9854
SERVED_STRIPES = 2
MAX_CHANNELS = 256
_RTSPS_ONLY = "is for rtsps:// sources only: leave it away"


def _source(url: str) -> str:
    if url.startswith(TEST_CARD):
        parse_testcard(url)
        return url
    if (why := _no_url(url)) is not None:
        raise ValueError(
            f"is not a source{why}: write rtsp://HOST/PATH, rtsps://HOST/PATH or {TEST_CARD}"
        )
    return url


def _no_url(url: str) -> str | None:
    """Return why this is no RTSP URL, in brackets or as nothing; None where it is one.

    It quotes nothing: there may be a password in it.
    """
    if " " in url or not url.isprintable():
        return " (a blank is written %20)"
    try:
        parts = urlsplit(url)
    except ValueError:
        return " (an IPv6 address stands in brackets)"
    try:
        parts.port  # noqa: B018 - reading it raises
    except ValueError:
        slash = "; a / in the password is written %2F" if "@" in parts.path else ""
        return f" (a port is a number up to {MAX_PORT}{slash})"
    return None if parts.scheme in {"rtsp", "rtsps"} and parts.hostname else ""


def _looks_cut(source: str) -> bool:
    """Whether the URL of a source has its password in its path: a / has ended the host."""
    rest = source.partition("://")[2].partition("?")[0]
    return ":" in re.sub(r"^\[[^]]*]", "", rest).rpartition("@")[0]


def _fingerprint(text: str) -> str:
    digits = text.replace(":", "").replace(" ", "").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise ValueError(
            f"{quoted(text)} is not a SHA-256 fingerprint: write 64 hex digits, with or without"
            " colons"
        )
    return digits


def _ca(path: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        text = f"{quoted(path)} holds no certificate: write the path of a PEM file"
        raise ValueError(text) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no path"
        raise ValueError(
            f"{quoted(path)} cannot be read: {why}; write the path of a PEM file"
        ) from error
    return path


def _over_tls(check: Callable[[str], str]) -> Callable[[str | None, ValidationInfo], str | None]:
    """Return the check of a key for rtsps:// only.

    What is wrong with its value hides that it is out of place: both are said.
    """

    def checked(value: str | None, found: ValidationInfo) -> str | None:
        try:
            return value and check(value)
        except ValueError as error:
            if str(found.data.get("source", "rtsps:")).startswith("rtsps:"):
                raise
            raise ValueError(f"{error}; besides, it {_RTSPS_ONLY}") from error

    return checked


def _stripes(count: int) -> int:
    if count not in range(1, SERVED_STRIPES + 1):
        raise ValueError(f"{count} stripes are not served yet: write 1 or {SERVED_STRIPES}")
    return count


class ChannelConfig(Settings):
    """One channel. `source` holds no credentials: they are in `username` and `password`."""

    source: Annotated[
        str, AfterValidator(_source), Field(examples=["rtsp://camera/live"]), Key("source")
    ]
    """Where the stream comes from: rtsp://HOST[:PORT]/PATH, rtsps://… (over TLS), or testcard: for
    a moving test picture with a tone, made in the process (testcard:?size=1280x720&rate=25, …)."""
    transport: Annotated[Literal["auto", "tcp", "udp"], Key("source")] = "auto"
    """How RTP comes from the source: tcp (in the RTSP connection), udp, or auto (tcp, then udp
    where the source refuses tcp)."""
    username: Annotated[str | None, Field(min_length=1, max_length=256), Key("source")] = None
    """User name for the source. It may stand in the URL instead, rtsp://USER:PASSWORD@HOST/,
    with %2F for a / in it, %40 for an @; where both are given, this one counts."""
    password: Annotated[SecretStr | None, Field(max_length=256), Key("source")] = None
    """Password for the source; quote what looks like a number. Better than here it is kept in the
    environment, "${CAM_PASSWORD}", or with systemd, "${credential:cam-password}"."""
    ca: Annotated[str | None, AfterValidator(_over_tls(_ca)), Key("source")] = None
    """For rtsps:// only: PEM file with the certificates to trust instead of the system's; relative
    to the working directory."""
    fingerprint: Annotated[str | None, AfterValidator(_over_tls(_fingerprint)), Key("source")] = (
        None
    )
    """For rtsps:// only: SHA-256 fingerprint of the source's own certificate, 64 hex digits,
    colons allowed (openssl x509 -noout -fingerprint -sha256)."""
    source_timeout: Annotated[float, Field(ge=0.5, le=300), Key("source", "seconds")] = 5.0
    """How long the source may send nothing before it counts as lost."""
    stripes: Annotated[
        int,
        AfterValidator(_stripes),
        Field(json_schema_extra={"minimum": 1, "maximum": SERVED_STRIPES}),
        Key("channel"),
    ] = 2
    """Into how many stripes the stream is split, each with its own tree."""
    children_per_stripe: Annotated[int, Field(ge=1, le=64), Key("channel", "nodes")] = 1
    """How many nodes the server proxy itself sends each stripe to. 1: exactly one copy of the
    stream leaves this host."""
    repair_slots: Annotated[int, Field(ge=0, le=64), Key("channel", "nodes")] = 1
    """How many more it may serve per stripe while a tree is being repaired."""
    repair_grace: Annotated[float, Field(ge=1, le=300), Key("channel", "seconds")] = 10.0
    """How long the server proxy waits: for a node that is away before it is forgotten, for the
    others after a restart before trees are mended, and for its own child that it has sent on."""
    placement: Annotated[Literal["shallow", "zebra"], Key("channel")] = "shallow"
    """Where a newcomer is placed: shallow (least depth) or zebra (first free slot, as in the
    paper)."""
    join: Annotated[JoinMode, Key("channel")] = "directory"
    """How nodes find a parent: directory (the server proxy names candidates) or redirect (as
    SpreadIt has it: they begin at the server proxy and are sent down the tree by those that have
    no slot; with stripes: 1 that is SpreadIt itself)."""
    add_policy: Annotated[AddPolicyName, Key("channel")] = "round_robin"
    """With join: redirect only: to which of its children a parent without a slot sends a newcomer:
    random, round_robin (one after the other), smart_placement (the nearest, by probes), knock_down
    (the nearest; but one that is nearer than its farthest child takes that child's place) or
    smart_bandwidth (round robin; but one with more slots takes the place of the child with the
    fewest). Who loses its place goes under who took it."""
    delete_policy: Annotated[DeletePolicyName, Key("channel")] = "grandfather"
    """With join: redirect only: where the children of a node go that leaves or dies: grandfather
    (the node's own parent) or root (the server proxy); with _all (grandfather_all, root_all) all
    its descendants go there, each by itself."""
    log_time: Annotated[float, Field(ge=1, le=300), Key("now", "seconds")] = 15.0
    """How much of the stream is kept for those who reconnect, per stripe."""
    log_bytes: Annotated[int, Field(ge=65_536, le=2**31), Key("now", "bytes")] = 33_554_432
    """How much of the stream is kept at most, per stripe: 33554432 is 32 MiB."""

    @model_validator(mode="before")
    @classmethod
    def _take_credentials(cls, values: object) -> object:
        """Move the credentials of the URL to their own keys; those that are given there win."""
        if isinstance(values, str):
            raise ValueError('is not a mapping: write `source: "rtsp://…"` below it')  # noqa: TRY004
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

    def impossible(self) -> Iterator[Impossible]:
        """Conform to Settings."""
        if self.password is not None and self.username is None:
            yield Impossible(("password", "username"), "stands without a username: write both")
        if self.username is None and _looks_cut(self.source):
            text = "has an @ in its path: a / in the password is written %2F, an @ in the path %40"
            yield Impossible(("source",), text)
        scheme = self.source.partition(":")[0]
        if scheme == "rtsps" and self.transport == "udp":
            text = "udp would carry a stream from rtsps:// in clear: write tcp or auto"
            yield Impossible(("transport", "source"), text)
        for key in () if scheme == "rtsps" else ("ca", "fingerprint"):
            if getattr(self, key) is not None:
                yield Impossible((key, "source"), _RTSPS_ONLY)
        for key in ("username", "password", "transport") if scheme == "testcard" else ():
            if getattr(self, key) not in (None, "auto"):
                yield Impossible((key, "source"), "means nothing with a test card: leave it away")
        for key in ("add_policy", "delete_policy") if self.join == "directory" else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                yield Impossible((key, "join"), "counts with join: redirect only: write that too")


class ServerConfig(Settings):
    """What the server proxy is told."""

    listen: Annotated[ListenAddress, Key("restart")] = Address("", SERVER_PORT)
    """Where client proxies come to: HOST:PORT; :PORT is all addresses, IPv4 and IPv6. Port 0: any
    free one."""
    http: Annotated[ListenAddress, Key("restart")] = Address("127.0.0.1", HTTP_PORT)
    """Status page, metrics, health and API: HOST:PORT. Who reaches it sees who watches what: bind
    it to more than this machine only behind something that asks for a password."""
    http_token: Annotated[
        SecretStr | None, Field(min_length=16, max_length=256), Key("restart")
    ] = None
    """With it the operator's actions of the API (move, drain, kick, close) may come from other
    machines too, as Authorization: Bearer TOKEN. Without it, from this machine only. Set it behind
    any reverse proxy: see docs/api.md."""
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
    """File that what comes from sources and goes to nodes is written to, packet by packet, for
    Wireshark (docs/operations.md). A full one becomes FILE.1, and that FILE.2; so it does at the
    start and at each reload."""
    pcap_bytes: Annotated[int, Field(ge=1_048_576, le=2**31), Key("now", "bytes")] = 67_108_864
    """How long a file of the capture may become: 67108864 is 64 MiB."""
    pcap_files: Annotated[int, Field(ge=1, le=1000), Key("now", "files")] = 4
    """How many files of the capture there may be, with the one that is being written."""
    channels: Annotated[
        dict[ChannelName, ChannelConfig], Field(max_length=MAX_CHANNELS), Key("now")
    ] = Field(default_factory=dict, validate_default=True)
    """The channels by name (A-Z a-z 0-9 . _ -, no dot first, at most 64 characters), at least one.
    Whoever watches opens rtsp://localhost:8554/NAME at their client proxy."""

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

    def impossible(self) -> Iterator[Impossible]:
        """Conform to Settings."""
        if overlap(self.listen, self.http):
            yield Impossible(("http", "listen"), "is the port of listen too: choose another one")

    @property
    def capture(self) -> Target | None:
        """Where packets are captured to; None: nowhere."""
        return None if self.pcap is None else Target(self.pcap, self.pcap_bytes, self.pcap_files)

    def reload(self) -> "ServerConfig":
        """Read file and flags again; raise ConfigError. Without them, return this one."""
        if self._args is None:
            return self
        check_reread(self._args.config)
        return load(self._args)


def load(args: argparse.Namespace) -> ServerConfig:
    """Return the configuration of these arguments (`serverproxy run`); raise ConfigError.

    `args` has `config` (a path or None), `channel` (list of (name, URL)), `listen`, `http`,
    `log_level`, `log_format`, `pcap`, each None where it was not given.
    """
    draft = Draft(args.config)
    for name, url in args.channel or ():
        draft.set(("channels", name, "source"), url, f"--channel {name}")
    for key in ("listen", "http", "log_level", "log_format", "pcap"):
        if (value := getattr(args, key)) is not None:
            draft.set((key,), value, "--" + key.replace("_", "-"))
    return draft.model(ServerConfig, args)


def check(file: Path) -> ServerConfig:
    """Return the configuration of a file alone; raise ConfigError."""
    return Draft(file).model(ServerConfig)
