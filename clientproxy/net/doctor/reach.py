"""Looks whether a server proxy answers: name, addresses, and what is said there."""

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from typing import NamedTuple

from clientproxy.core.diagnosis.measured import Answer, Attempt, Outcome, Server
from common.codec import MessageReader, decode_from_server, encode_message
from common.errors import BadMessageError
from common.ids import Address
from common.messages import VERSION, Join, Refused
from common.refusals import NO_CHANNEL, channels_named
from common.runtime.log import one_line
from common.runtime.reasons import reason
from common.runtime.waiting import in_thread

LOOK_UP_WITHIN = 3.0
CONNECT_WITHIN = 3.0
ANSWER_WITHIN = 2.0
MAX_ADDRESSES = 8
"""Addresses of one name that are tried."""
MAX_SAID = 80
"""Characters that are shown of what another service says."""


class Answered(NamedTuple):
    """What was said at an address."""

    answer: Answer
    said: str = ""
    channels: tuple[str, ...] | None = None
    local_host: str = ""


async def reach(address: Address) -> Server:
    """Try every address that the name stands for, and ask the first that answers."""
    found = Server(address=str(address), host=address.host, port=address.port)
    hosts = await look_up(address)
    if isinstance(hosts, str):
        return _with(found, unknown_name=hosts)
    attempts = await asyncio.gather(*(_attempt(host, address.port) for host in hosts))
    works = next((one.host for one in attempts if one.outcome == "connected"), None)
    if works is None:
        return _with(found, attempts=attempts)
    return _with(found, attempts=attempts, answered=await ask(Address(works, address.port)))


def _with(
    found: Server,
    *,
    unknown_name: str = "",
    attempts: Sequence[Attempt] = (),
    answered: Answered | None = None,
) -> Server:
    known = answered or Answered("nothing")
    return Server(
        address=found.address,
        host=found.host,
        port=found.port,
        unknown_name=unknown_name,
        attempts=attempts,
        answer=None if answered is None else known.answer,
        said=known.said,
        channels=known.channels,
        local_host=known.local_host,
    )


async def look_up(address: Address) -> list[str] | str:
    """Return the numbers that a name stands for, in the system's order; or why there are none."""
    try:
        return await in_thread(lambda: _numbers(address), LOOK_UP_WITHIN)
    except TimeoutError:
        return f"no name server answers within {LOOK_UP_WITHIN:.0f} s"


def _numbers(address: Address) -> list[str] | str:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or "it is no host name"
    hosts = dict.fromkeys(_host(family, name) for family, _, _, _, name in found)
    return list(hosts)[:MAX_ADDRESSES]


def _host(family: int, name: tuple[object, ...]) -> str:
    host = str(name[0])
    scope = name[3] if family == socket.AF_INET6 else 0
    return f"{host}%{scope}" if scope and "%" not in host else host


async def _attempt(host: str, port: int) -> Attempt:
    loop = asyncio.get_running_loop()
    began, why = loop.time(), ""
    outcome: Outcome = "connected"
    try:
        async with asyncio.timeout(CONNECT_WITHIN):
            transport, _ = await loop.create_connection(asyncio.Protocol, host, port)
        transport.abort()
    except TimeoutError:
        outcome = "no answer"
    except ConnectionRefusedError:
        outcome = "refused"
    except OSError as error:
        outcome, why = "unreachable", reason(error)  # this machine itself, or a router, says so
    return Attempt(
        host=host,
        family="IPv6" if ipaddress.ip_address(host).version == 6 else "IPv4",  # noqa: PLR2004
        outcome=outcome,
        seconds=loop.time() - began,
        why=why,
    )


async def ask(address: Address) -> Answered:
    """Ask for a channel that cannot exist: only a server proxy has an answer to that."""
    loop = asyncio.get_running_loop()
    listening = _Listening()
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            transport, _ = await loop.create_connection(lambda: listening, *address)
    except OSError:
        return Answered("nothing")
    host = str(transport.get_extra_info("sockname")[0])
    nonce = secrets.token_hex(16)
    join = Join(version=VERSION, channel=NO_CHANNEL, port=1, nonce=nonce, sent_us=0)
    transport.write(encode_message(join))
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN):
                await listening.heard.wait()
    finally:
        transport.abort()
    return listening.understood()._replace(local_host=host)


class _Listening(asyncio.Protocol):
    """Takes the first message. What came before a reset counts: streams would forget it."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self._messages, self._begin = MessageReader(), b""
        self._text: bytes | None = None

    def data_received(self, data: bytes) -> None:
        if self.heard.is_set():
            return
        self._begin = self._begin or data
        self._messages.feed(data)
        try:
            self._text = self._messages.take()
        except BadMessageError:
            self.heard.set()
        if self._text is not None:
            self.heard.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.set()

    def understood(self) -> Answered:
        if not self._begin:
            return Answered("nothing")
        try:
            if self._text is not None:
                return _understood(self._text)
        except BadMessageError:
            pass
        return Answered("something else", _first_line(self._begin))


def _understood(text: bytes) -> Answered:
    match decode_from_server(text):
        case Refused(reason="unknown_channel", sentence=sentence):
            return Answered("server proxy", sentence, channels_named(sentence))
        case Refused(reason="version", sentence=sentence):
            return Answered("another version", one_line(sentence))
        case Refused(reason="bad_request", sentence=sentence) if "client proxy" in sentence:
            return Answered("client proxy", one_line(sentence))
        case Refused(sentence=sentence):
            return Answered("server proxy", one_line(sentence))
        case _:
            return Answered("something else", _first_line(text))


def _first_line(data: bytes) -> str:
    """Return the first line of what another service says."""
    line = data.decode("utf-8", "replace").strip().partition("\n")[0].strip()
    return one_line(line)[:MAX_SAID]
