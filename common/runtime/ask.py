"""The HTTP API of a daemon on this machine, as its command line asks it."""

import http.client
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import TypeAdapter, ValidationError

from common.errors import ConfigError, ProxyError
from common.ids import Address
from common.runtime import filledin, strictyaml
from common.runtime.addresses import ListenAddress, from_here
from common.runtime.waiting import wait

ANSWER_WITHIN = 5.0
"""Seconds that a daemon has for its whole answer, the look-up of its name included."""
MAX_ANSWER_BYTES = 32 << 20

_LISTEN: TypeAdapter[Address] = TypeAdapter(ListenAddress)

T = TypeVar("T")


class AskError(ProxyError):
    """A daemon does not answer, or not as it should; `str()` says what to do."""


class MissingError(AskError):
    """The daemon has nothing at a path, or no longer."""


class _Daemon(msgspec.Struct):
    daemon: str


_DAEMONS = ("serverproxy", "clientproxy")


class _Request:
    """One request, to be answered in a thread and ended from another."""

    def __init__(self, address: Address, path: str) -> None:
        self._link = http.client.HTTPConnection(*address, timeout=ANSWER_WITHIN)
        self._path = path
        self._sock: socket.socket | None = None

    def answer(self) -> tuple[int, bytes]:
        """Return status and body."""
        try:
            self._link.connect()
            self._sock = self._link.sock
            self._link.request("GET", self._path, headers={"Accept": "application/json"})
            answer = self._link.getresponse()
            return answer.status, answer.read(MAX_ANSWER_BYTES + 1)
        finally:
            self._link.close()

    def end(self) -> None:
        """End what is still under way: a server that trickles would keep its thread for ever."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)


class Api:
    """What one daemon says."""

    def __init__(self, program: str, address: Address) -> None:
        """Ask `serverproxy` or `clientproxy` at this address."""
        self._program, self._address = program, address

    def get(self, path: str) -> bytes:
        """Return the answer. Raises AskError."""
        request = _Request(self._address, path)
        try:
            status, body = wait(request.answer, ANSWER_WITHIN)
        except TimeoutError as error:
            raise AskError(self._silent("no answer")) from error
        except OSError as error:
            raise AskError(self._silent(error.strerror or str(error))) from error
        except http.client.HTTPException as error:
            raise AskError(self._foreign("what it says is no HTTP")) from error
        finally:
            request.end()
        if status == http.HTTPStatus.NOT_FOUND:
            raise MissingError(self._foreign(f"it has no {path}"))
        if status != http.HTTPStatus.OK or len(body) > MAX_ANSWER_BYTES:
            raise AskError(self._foreign(f"it answered {status} to {path}"))
        return body

    def ask(self, path: str, shape: type[T]) -> T:
        """Return the JSON answer in this shape. Raises AskError."""
        body = self.get(path)
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise AskError(self._foreign(f"its answer to {path} is another: {error}")) from error

    def check(self) -> None:
        """Raise AskError where another daemon answers than the one that is meant."""
        other = self.ask("/api/v1/status", _Daemon).daemon
        if other not in _DAEMONS:
            raise AskError(self._foreign("it is something else"))
        if other != self._program:
            raise AskError(
                f"{self._address} is a {other}: write `{other} status --http {self._address}`"
            )

    def _silent(self, why: str) -> str:
        name = self._program
        return (
            f"no {name} answers at {self._address} ({why}): start one with `{name} run`, or say"
            f" where its http is, with --http HOST:PORT or --config FILE"
        )

    def _foreign(self, why: str) -> str:
        return (
            f"{self._address} is no {self._program} of this version ({why}): say where its http"
            " is, with --http HOST:PORT or --config FILE"
        )


def where(http: str | None, file: Path | None, default: Address) -> Address:
    """Return where a daemon's `http` is: the flag, the key of its file, or the default.

    Nothing else of the file is looked at: its secrets may be for the daemon alone. Raises
    ConfigError.
    """
    source, text = "--http", http
    if text is None and file is not None:
        source, value = f"{file}: http", strictyaml.read(file).values.get("http")
        filled = filledin.fill({"http": value}, os.environ)
        if filled.faults:
            raise ConfigError([f"{source}: {fault}" for fault in filled.faults.values()])
        text = None if value is None else str(filled.values["http"])
    if text is None:
        return default
    try:
        address = _LISTEN.validate_python(text)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise ConfigError([f"{source}: {fault}"]) from None
    if not address.port:
        raise ConfigError(
            [f"{source}: {text} is any free port: say which one it took, with --http HOST:PORT"]
        )
    return from_here(address)
