"""Configuration: YAML and flags become one frozen, typed model, or every fault at once.

Rules
-----
1. Flags win over YAML, YAML over defaults.
2. Every fault is one sentence: dotted key, line or flag, what is wrong, what to write. All faults
   come together, before any socket opens.
3. No credential is ever quoted: neither in a fault nor in the `repr` of a model.
4. The models are the only place that describes a key: type, bounds, default, what it means (the
   docstring below the field), unit and what a reload does (`Key`). The shipped YAML, the JSON
   Schemas and `docs/configuration.md` are made from them (`python -m scripts.docs`).
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from common.errors import ConfigError
from common.refusals import CHANNEL_NAME
from common.runtime import filledin, strictyaml
from common.runtime.faults import Impossible, field_at, sentence
from common.runtime.log import one_line
from common.runtime.strictyaml import Document, Fault, KeyPath, Value, dotted

MAX_FAULTS = 100
"""Faults that are shown at once; a file with more is no configuration."""
MAX_PASSES = 8
"""How often what is left is looked at without what was found at fault."""

_NO_LINE = 10**9


class Settings(BaseModel):
    """A part of a configuration: frozen, nothing unknown, nothing converted."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def impossible(self) -> Iterator[Impossible]:
        """Yield the keys that are possible each, but not together."""
        yield from ()

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if found := tuple(self.impossible()):
            raise PydanticCustomError("impossible", "impossible pairs", {"found": found})
        return self


M = TypeVar("M", bound=Settings)

ChannelName = Annotated[str, Field(pattern=f"^{CHANNEL_NAME.pattern}$")]
"""Name of a channel: a part of a URL and a metric label."""


class Draft:
    """What YAML and flags say, before the model has seen it."""

    def __init__(self, file: Path | None) -> None:
        """Read the file, if there is one. Raises ConfigError where it cannot be read at all."""
        document = Document() if file is None else strictyaml.read(file)
        self._file = f"{file}: " if file else ""
        self._filled = filledin.fill(document.values, os.environ)
        self._values = self._filled.values
        self._lines, self._flags = document.lines, dict[KeyPath, str]()
        self._given = set[KeyPath]()
        """What flags say; `_flags` has what this stands in too."""
        self._faults = [
            *(Fault(line, f"{self._file}{text}") for line, text in document.faults),
            *(self._fault(path, text) for path, text in self._filled.faults.items()),
        ]

    def set(self, path: Sequence[str], value: Value, flag: str) -> None:
        """Let a flag win over what the file says under `path`; two of them are a fault."""
        if tuple(path) in self._given:
            self._faults.append(Fault(_NO_LINE, one_line(f"{flag}: comes twice: leave one away")))
        self._given.add(tuple(path))
        inner = self._values
        for key in path[:-1]:
            below = inner.get(key)
            if not isinstance(below, dict):
                below = {}
                inner[key] = below
            inner = below
        inner[path[-1]] = value
        self._flags[tuple(path)] = flag
        for end in range(1, len(path)):
            if tuple(path[:end]) not in self._lines:
                self._flags.setdefault(tuple(path[:end]), flag)

    def model(self, kind: type[M], context: object = None) -> M:
        """Return the model; raise ConfigError with all faults. `context` goes to its validators.

        What is at fault is taken out and the rest looked at again: a pair that is impossible
        shows only once each of its keys has a value.
        """
        faults, values = list(self._faults), self._values
        seen = {path for path in self._filled.faults if path not in self._flags}
        for _ in range(MAX_PASSES):
            try:
                model = kind.model_validate(values, context=context)
            except ValidationError as error:
                found = list(self._found(kind, error))
                faults += [
                    self._fault(paths[0], text)
                    for paths, pair, text in found
                    if not _known(seen, paths, pair) and not _emptied(seen, paths[0])
                ]
                for path in [path for paths, _, _ in found for path in paths]:
                    seen.add(path)
                    values = _mended(kind, values, path)
            else:
                if not faults:
                    return model
                break
        faults.sort(key=lambda fault: fault.line)
        texts = [fault.text for fault in faults[:MAX_FAULTS]]
        if len(faults) > MAX_FAULTS:
            texts.append(f"{self._file}and {len(faults) - MAX_FAULTS} faults more")
        raise ConfigError(texts)

    def _found(
        self, kind: type[BaseModel], error: ValidationError
    ) -> Iterator[tuple[tuple[KeyPath, ...], bool, str]]:
        """Yield the keys of each fault, whether it is one of them together, and its sentence."""
        for detail in error.errors(include_url=False):
            path = tuple(part for part in detail["loc"] if part != "[key]")
            if detail["type"] == "impossible":
                for pair in detail["ctx"]["found"]:
                    if isinstance(pair, Impossible):
                        paths = tuple((*path, key) for key in pair.keys)
                        yield paths, True, pair.sentence
                continue
            yield (path,), False, sentence(kind, path, detail, self._secrets(path))

    def _secrets(self, path: KeyPath) -> list[str]:
        """Return what came from outside at or below `path`, and no flag has replaced."""
        found = self._filled.secrets.items()
        return [
            text for where, text in found if where[: len(path)] == path and where not in self._flags
        ]

    def _fault(self, path: KeyPath, text: str) -> Fault:
        line, place = self._place(path)
        return Fault(line, one_line(f"{place}{text}"))

    def _place(self, path: KeyPath) -> tuple[int, str]:
        """Return the line of a key, or of what it stands in, and how a fault names it."""
        for end in range(len(path), 0, -1):
            if flag := self._flags.get(path[:end]):
                return _NO_LINE, f"{flag}: "
            if line := self._lines.get(path[:end]):
                return line, f"{self._file}{dotted(path)} (line {line}): "
        return _NO_LINE, f"{self._file}{dotted(path)}: " if path else self._file


def check_reread(file: Path | None) -> None:
    """Raise ConfigError where a file cannot be read a second time: a pipe would hold up the loop.

    One that is missing is for the `Draft` to refuse.
    """
    if file is None:
        return
    try:
        regular = S_ISREG(file.stat().st_mode)
    except OSError:
        return
    if not regular:
        raise ConfigError(
            [f"{file}: cannot be read again: it is no regular file; restart the daemon instead"]
        )


def _known(seen: set[KeyPath], paths: tuple[KeyPath, ...], pair: bool) -> bool:
    """Whether a fault only says again what another one says of its key, or comes from it."""
    looked_at = paths if pair else paths[:1]
    return any(path[:end] in seen for path in looked_at for end in range(1, len(path) + 1))


def _emptied(seen: set[KeyPath], path: KeyPath) -> bool:
    """Whether what was taken out stood below: a list that lacks it may be too short by that."""
    return any(len(path) < len(one) and one[: len(path)] == path for one in seen)


def _mended(kind: type[BaseModel], values: dict[str, Value], path: KeyPath) -> dict[str, Value]:
    """Return the values without the key at `path`, or with its example where there must be one."""
    if not path:
        return values
    *above, last = path
    if isinstance(last, int):
        return _mended(kind, values, path[:-1])
    copy = dict(values)
    inner = copy
    for part in above:
        below = inner.get(str(part))
        if not isinstance(below, dict):
            return copy
        inner[str(part)] = inner = dict(below)
    inner.pop(last, None)
    field = field_at(kind, path)
    if field is not None and field.is_required() and field.examples:
        inner[last] = str(field.examples[0])
    return copy
