"""Configuration: YAML and flags become one frozen, typed model, or every fault at once.

Rules
-----
1. Flags win over YAML, YAML over defaults.
2. Every fault is one sentence: dotted key, line or flag, what is wrong, what to write. All faults
   come together, before any socket opens.
3. No credential is ever quoted: neither in a fault nor in the `repr` of a model.
"""

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, ValidationError
from pydantic_core import PydanticCustomError

from common.errors import ConfigError
from common.ids import Address
from common.runtime import strictyaml
from common.runtime.faults import quoted, sentence
from common.runtime.log import one_line
from common.runtime.strictyaml import Document, KeyPath, Value, dotted


class Settings(BaseModel):
    """A part of a configuration: frozen, nothing unknown, nothing converted."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, allow_inf_nan=False
    )


M = TypeVar("M", bound=Settings)

_LINE = "line "

ChannelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""Name of a channel: a part of a URL and a metric label."""


def _listen_address(value: object) -> object:
    if isinstance(value, str) and value.startswith(":"):
        return Address.parse(f"all{value}", 0)._replace(host="")
    address = _peer_address(value)
    if isinstance(value, str) and address.port == 0 and not value.endswith(":0"):
        raise ValueError(f"{value!r} has no port: write HOST:PORT, or :PORT for all addresses")
    return address


def _peer_address(value: object) -> Address:
    if isinstance(value, str):
        address = Address.parse(value, 0)
        if not _is_host(address.host):
            raise ValueError(f"{quoted(value)} is not an address: write HOST, HOST:PORT or [IPv6]")
        return address
    raise PydanticCustomError("value_error", "{error}", {"error": f"{quoted(value)} {_AS_TEXT}"})


def _is_host(host: str) -> bool:
    """Whether a resolver can do something with it: a name with dots, or an IP address."""
    if ":" in host:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    if host == "*":
        return True
    return re.fullmatch(r"(?:[A-Za-z0-9_-]{1,63}\.?)+", host) is not None and ".." not in host


_AS_TEXT = "is not an address: write HOST:PORT, or :PORT for all addresses"


ListenAddress = Annotated[InstanceOf[Address], BeforeValidator(_listen_address)]
"""`HOST:PORT`; `:PORT` is all addresses, with the host ''. Port 0 is any free port."""

PeerAddress = Annotated[InstanceOf[Address], BeforeValidator(_peer_address)]
"""`HOST` or `HOST:PORT`; without a port it is 0, and the owner of the key says what that means."""


class Draft:
    """What YAML and flags say, before the model has seen it."""

    def __init__(self, file: Path | None) -> None:
        """Read the file, if there is one. Raises ConfigError."""
        document = Document() if file is None else strictyaml.read(file)
        self._file = f"{file}: " if file else ""
        self._values = document.values
        self._places = {path: f"{_LINE}{line}" for path, line in document.lines.items()}

    def set(self, path: Sequence[str], value: Value, flag: str) -> None:
        """Let a flag win over what the file says under `path`."""
        inner = self._values
        for key in path[:-1]:
            below = inner.get(key)
            if not isinstance(below, dict):
                below = {}
                inner[key] = below
            inner = below
        inner[path[-1]] = value
        self._places[tuple(path)] = flag
        for end in range(1, len(path)):
            self._places.setdefault(tuple(path[:end]), flag)

    def model(self, kind: type[M], context: object = None) -> M:
        """Return the model; raise ConfigError with all faults. `context` goes to its validators."""
        try:
            return kind.model_validate(self._values, context=context)
        except ValidationError as error:
            faults = []
            for detail in error.errors(include_url=False):
                path = tuple(part for part in detail["loc"] if part != "[key]")
                faults.append(one_line(f"{self._place(path)}{sentence(kind, path, detail)}"))
            raise ConfigError(faults) from None

    def _place(self, path: KeyPath) -> str:
        for end in range(len(path), 0, -1):
            place = self._places.get(path[:end], "")
            if place.startswith(_LINE):
                return f"{self._file}{dotted(path)} ({place}): "
            if place:
                return f"{place}: "
        return f"{self._file}{dotted(path)}: " if path else self._file
