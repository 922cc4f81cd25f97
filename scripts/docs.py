"""Make what describes the configuration from its models: `python -m scripts.docs` (or `make docs`).

`config/*.yaml` shows every key with its default, `config/*.schema.json` is for editors,
`docs/configuration.md` is for people. A test holds all of them against the code.
"""

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic.json_schema import GenerateJsonSchema

from clientproxy.config import ClientConfig
from common.ids import Address
from common.runtime.config import Settings
from common.runtime.keys import EFFECTS
from serverproxy.config import MAX_CHANNELS, ServerConfig

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "configuration.md"
WIDTH = 100

HEAD = """\
# yaml-language-server: $schema={name}.schema.json
# Configuration of the {title}: every key, with its default where there is one.
# Check it: {name} check config/{name}.yaml
# Run it:   {name} run --config config/{name}.yaml   (flags win over this file)
# Durations are in seconds, 0.5 is half of one. "${{NAME}}" is the environment variable NAME, and
# "${{credential:NAME}}" a credential of systemd. SIGHUP reads this file again; with a fault in it
# nothing changes. `make docs` makes this file; docs/configuration.md says more.
"""

Json = dict[str, object]


class Program(NamedTuple):
    """A daemon and the model of its configuration."""

    name: str
    title: str
    model: type[Settings]
    sample: str
    """Source of the channel that the shipped file shows."""


PROGRAMS = (
    Program("serverproxy", "server proxy", ServerConfig, "testcard:"),
    Program("clientproxy", "client proxy", ClientConfig, ""),
)


class Entry(NamedTuple):
    """One key, as all three files show it."""

    path: tuple[str, ...]
    what: str
    values: str
    default: str
    """In YAML; empty: there is none."""
    on_reload: str


class _Schema(GenerateJsonSchema):
    """Addresses are shown as they are written."""

    def encode_default(self, dft: object) -> object:
        return str(dft) if isinstance(dft, Address) else super().encode_default(dft)


def schema(program: Program) -> Json:
    """Return the JSON Schema of a file, as editors understand it."""
    made = program.model.model_json_schema(
        schema_generator=_Schema, ref_template="#/definitions/{model}"
    )
    parts = {name: _plain(part) for name, part in made.pop("$defs", {}).items()}
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **_plain(made),
        "title": f"{program.name}.yaml",
        "description": f"Configuration of the {program.title} of Stripecast",
    }
    return {**whole, "definitions": parts} if parts else whole


def _plain(part: object) -> Json:
    """Leave out what only repeats the keys; other names than the pattern's are refused."""
    if not isinstance(part, dict):
        return {}
    part.pop("title", None)
    if "patternProperties" in part:
        part["additionalProperties"] = False
    if isinstance(text := part.get("description"), str):
        part["description"] = " ".join(text.split())
    for inner in _dict(part.get("properties")).values():
        _plain(inner)
    return part


def entries(program: Program) -> Iterator[Entry]:
    """Yield every key; `NAME` stands for the name of a channel."""
    whole = schema(program)
    for name, part in _dict(whole["properties"]).items():
        yield _entry((name,), _dict(part))
        if name == "channels":
            channel = _dict(_dict(whole["definitions"])["ChannelConfig"])
            for key, inner in _dict(channel["properties"]).items():
                yield _entry((name, "NAME", key), _dict(inner))


def _entry(path: tuple[str, ...], part: Json) -> Entry:
    default = yaml_value(part["default"]) if "default" in part else ""
    if "x-on-reload" not in part:
        raise ValueError(f"{'.'.join(path)} has no Key in the Annotated around its whole type")
    effect = next(text for name, text in EFFECTS.items() if name == part["x-on-reload"])
    return Entry(path, str(part["description"]), values(part), default, effect)


def values(part: Json) -> str:
    """Return in words what may stand there."""
    unit = f" {part['x-unit']}" if "x-unit" in part else ""
    match part:
        case {"enum": [*words]}:
            text = ", ".join(map(str, words))
        case {"anyOf": [*some]}:
            text = " or ".join(values(_dict(one)) for one in some if one != {"type": "null"})
        case {"const": word} | {"x-type": word}:
            text = str(word)
        case {"minimum": least, "maximum": most, "type": kind}:
            text = f"{_number(least)} to {_number(most)}"
            text = f"whole number, {text}" if kind == "integer" else text
        case {"maxItems": most, "items": items}:
            text = f"list of up to {most}: {values(_dict(items))}"
        case {"type": "object"}:
            text = f"1 to {MAX_CHANNELS} names"
        case {"minLength": least, "maxLength": most} if least != 1:
            text = f"text of {least} to {most} characters"
        case {"maxLength": most}:
            text = f"text of up to {most} characters"
        case _:
            text = "text"
    return text + unit


def yaml_value(value: object) -> str:
    """Return a default as YAML."""
    if isinstance(value, str):
        return f'"{value}"' if value.startswith(":") else value
    return _number(value) if isinstance(value, float) else json.dumps(value)


def _number(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def yaml_file(program: Program) -> str:
    """Return the shipped file: every key below a comment that says all about it."""
    lines = [HEAD.format(name=program.name, title=program.title)]
    for entry in entries(program):
        indent = "  " * (len(entry.path) - 1)
        facts = f"Values: {entry.values}. "
        facts += f"Default: {entry.default}. " if entry.default else "Required. "
        facts += f"On reload: {entry.on_reload}."
        for text in (entry.what, facts):
            lines += textwrap.wrap(
                text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ",
                break_on_hyphens=False, break_long_words=False,
            )  # fmt: skip
        key = entry.path[-1]
        if key == "channels":
            lines += ["channels:", "  cam:"]
            continue
        value = entry.default or f'"{program.sample}"'
        lines += [f"{indent}{key}: {value}", ""]
    return "\n".join(lines).rstrip() + "\n"


def reference() -> str:
    """Return docs/configuration.md with its tables made anew; the words are written by hand."""
    text = REFERENCE.read_text()
    effects = [f"| {name} | {what} |" for name, what in EFFECTS.items()]
    tables = {"effects": ["| reload | what a changed key does |", "| --- | --- |", *effects]}
    for program in PROGRAMS:
        head = [
            "| key | values | default | reload | what it is |",
            "| --- | --- | --- | --- | --- |",
        ]
        tables[program.name] = [*head, *map(_row, entries(program))]
    for name, rows in tables.items():
        begin = f"<!-- {name}: made by `make docs` -->\n"
        before, _, rest = text.partition(begin)
        _, end, after = rest.partition("<!-- end -->\n")
        text = "".join((before, begin, *(f"{row}\n" for row in rows), end, after))
    return text


def _row(entry: Entry) -> str:
    default = f"`{entry.default}`" if entry.default else "none: required"
    name = next(name for name, text in EFFECTS.items() if text == entry.on_reload)
    cells = [f"`{'.'.join(entry.path)}`", entry.values, default, name, entry.what]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def files() -> dict[Path, str]:
    """Return every file that is made, with its text."""
    made = {REFERENCE: reference()}
    for program in PROGRAMS:
        made[ROOT / "config" / f"{program.name}.yaml"] = yaml_file(program)
        text = json.dumps(schema(program), indent=2, ensure_ascii=False)
        made[ROOT / "config" / f"{program.name}.schema.json"] = text + "\n"
    return made


def main() -> int:
    """Write them."""
    for path, text in files().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
