"""YAML as a configuration needs it: nothing is guessed, everything keeps its line.

Rules
-----
1. Only `true`, `false`, `null`, decimal numbers and text exist. `no`, `on`, `010`, `12:30:45` and
   dates, which YAML 1.1 would turn into something else, stay text: the model refuses them by name.
2. A key that comes twice, a tag, an anchor or an alias is a fault with its line.
3. Size and depth are bounded.
"""

import re
from pathlib import Path

import yaml

from common.errors import ConfigError

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 16

KeyPath = tuple[str | int, ...]
Value = None | bool | int | float | str | tuple["Value", ...] | dict[str, "Value"]

_NULL = ("", "~", "null")
_BOOL = {"true": True, "false": False}
_INT = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")


class Document:
    """The values of a file and the line of each."""

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.lines: dict[KeyPath, int] = {}


def read(path: Path) -> Document:
    """Read a file; raise ConfigError with every fault that is not a matter of the model."""
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
    """Read a mapping; raise ConfigError. An empty text is an empty mapping."""
    try:
        _check_shape(text)
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"line {line}: is not YAML: {error.problem}"]) from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError([f"is not YAML: {reason}"]) from None
    builder = _Builder()
    if top is None:
        return builder.document
    if not isinstance(top, yaml.MappingNode):
        raise ConfigError([f"line {_line(top)}: is not a mapping: write `key: value` lines"])
    builder.document.values = builder.mapping(top, ())
    if builder.faults:
        raise ConfigError(builder.faults)
    return builder.document


def _check_shape(text: str) -> None:
    """Refuse what would make a document mean or cost more than it shows."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        problem = ""
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            problem = "anchors and aliases are not allowed: write the value out"
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            problem = "tags are not allowed: write the value without"
        elif depth > MAX_DEPTH:
            problem = f"nested deeper than {MAX_DEPTH} levels"
        if problem:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ConfigError([f"line {line}: {problem}"])


class _Builder:
    """Turn nodes into values; collect faults and go on."""

    def __init__(self) -> None:
        self.document = Document()
        self.faults: list[str] = []

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append(f"line {_line(key_node)}: a key is one word")
                continue
            key = str(key_node.value)
            where = (*path, key)
            if key in values:
                first = self.document.lines[where]
                self.faults.append(
                    f"{dotted(where)} (line {_line(key_node)}): stands in line {first} already:"
                    " keep one of them"
                )
                continue
            self.document.lines[where] = _line(key_node)
            values[key] = self._value(value_node, where)
        return values

    def _value(self, node: yaml.Node, path: KeyPath) -> Value:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self._item(item, (*path, at)) for at, item in enumerate(node.value))
        text = str(node.value)
        quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
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
