"""YAML as a configuration needs it: nothing is guessed, everything keeps its line.

Rules
-----
1. Only `true`, `false`, `null`, decimal numbers and text exist. `no`, `on`, `010`, `12:30:45` and
   dates, which YAML 1.1 would turn into something else, stay text: the model refuses them by name.
2. A key that comes twice, a tag, an anchor or an alias is a fault with its line.
3. Size and depth are bounded.
4. What can be read is read: the faults of a file come together with those that the model finds.
"""

import re
from pathlib import Path
from typing import NamedTuple

import yaml

from common.errors import ConfigError

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16

KeyPath = tuple[str | int, ...]
Value = None | bool | int | float | str | tuple["Value", ...] | dict[str, "Value"]

LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""libyaml's where it is there: a reload of hundreds of channels must not hold up the event loop."""

_NULL = ("", "~", "null")
_BOOL = {"true": True, "false": False}
_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")

_UNQUOTED = ("values are not allowed", "unexpected ':'", "got ':'", "cannot start any token")
"""What the parsers say of a value whose quotes are missing."""


class Fault(NamedTuple):
    """One sentence, and the line that it stands in the list for."""

    line: int
    text: str


class Document:
    """The values of a file, the line of each, and what is wrong besides what they mean."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.lines: dict[KeyPath, int] = {}
        self.faults: list[Fault] = []


def read(path: Path) -> Document:
    """Read a file; raise ConfigError where it holds nothing that could be judged further."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(raw) > MAX_BYTES:
        raise ConfigError([f"{path}: is larger than {MAX_BYTES} bytes"])
    try:
        return parse(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    except ConfigError as error:
        raise ConfigError([f"{path}: {fault}" for fault in error.faults]) from None


def parse(text: str) -> Document:
    """Read a mapping; an empty text is an empty one. Raises ConfigError as `read` does."""
    try:
        faults = _faults_of_shape(text)
        top = yaml.compose(text, Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        advice = _advice(str(error.problem), text, line)
        raise ConfigError([f"line {line}: is not YAML: {error.problem}{advice}"]) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError([f"is not YAML: {reason}"]) from None
    builder = _Builder(faults)
    if top is None:
        return builder.document
    if not isinstance(top, yaml.MappingNode):
        raise ConfigError([f"line {_line(top)}: is not a mapping: write `key: value` lines"])
    builder.document.values = builder.mapping(top, ())
    return builder.document


def _advice(problem: str, text: str, line: int) -> str:
    """Return what to write instead, for the slips that are made most."""
    lines = text.splitlines()
    said = lines[line - 1] if line <= len(lines) else ""
    if "\t" in said[: len(said) - len(said.lstrip())]:
        return "; indent with spaces, not with tabs"
    if any(slip in problem for slip in _UNQUOTED):
        return "; a value that ends in `:`, has `: ` in it or begins with % @ or ` stands in quotes"
    return ""


def _faults_of_shape(text: str) -> list[Fault]:
    """Find what would make a document mean or cost more than it shows.

    Raises ConfigError where it must not even be composed: aliases can be endless.
    """
    depth, aliases = 0, False
    faults: list[Fault] = []
    for event in yaml.parse(text, Loader=LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ConfigError([f"line {line}: nested deeper than {MAX_DEPTH} levels"])
        aliases = aliases or isinstance(event, yaml.AliasEvent)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            text = f"line {line}: anchors and aliases are not allowed: write the value out"
            faults.append(Fault(line, text))
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            text = f"line {line}: tags are not allowed: write the value without"
            faults.append(Fault(line, text))
    if aliases:
        raise ConfigError([fault.text for fault in faults])
    return faults


class _Builder:
    """Turn nodes into values; collect faults and go on."""

    def __init__(self, faults: list[Fault]) -> None:
        self.document = Document()
        self.document.faults = faults

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(line, f"line {line}: a key is one word")
                continue
            key = str(key_node.value)
            where = (*path, key)
            if key in values:
                first = self.document.lines[where]
                text = f"stands in line {first} already: keep one of them"
                self._fault(line, f"{dotted(where)} (line {line}): {text}")
                continue
            self.document.lines[where] = line
            values[key] = self._value(value_node, where)
        return values

    def _fault(self, line: int, text: str) -> None:
        self.document.faults.append(Fault(line, text))

    def _value(self, node: yaml.Node, path: KeyPath) -> Value:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._item(item, (*path, at)) for at, item in enumerate(node.value))
        text = str(node.value)
        quoted = isinstance(node, yaml.ScalarNode) and node.style not in (None, "")
        return text if quoted else plain(text)

    def _item(self, node: yaml.Node, path: KeyPath) -> Value:
        self.document.lines[path] = _line(node)
        return self._value(node, path)


def plain(text: str) -> Value:
    """Return what a word without quotes means."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def dotted(path: KeyPath) -> str:
    """Return the path as messages show it: `channels.cam.source`."""
    return ".".join(map(str, path))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
