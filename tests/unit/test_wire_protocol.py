"""`docs/wire-protocol.md` is the contract: its tables and examples are held against the code."""

import json
import re
import typing
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

import common.attach
import common.fields
import common.messages
from common.codec import (
    MAX_JSON_BYTES,
    MAX_PATH_BYTES,
    MessageReader,
    decode_end,
    decode_first,
    decode_from_node,
    decode_from_parent,
    decode_from_probed,
    decode_from_server,
    decode_path,
    decode_redirect,
    decode_serve,
    decode_stream,
    encode_body,
    encode_message,
)
from common.errors import BadMessageError, VersionError
from common.fields import MAX_STREAM_BYTES, AddressText, EndReason, LostReason, NodeName, Part
from common.frame import (
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    NUMBER_BITS,
    PREFIX_BYTES,
    FrameReader,
    FrameType,
    Heartbeat,
    decode_resume,
    encode,
    encode_control,
    encode_resume,
)
from common.messages import VERSION, Leave, Message

TEXT = (Path(__file__).parents[2] / "docs" / "wire-protocol.md").read_text()
STRUCTS = {
    name: value
    for module in (common.fields, common.messages, common.attach)
    for name, value in vars(module).items()
    if isinstance(value, type)
    and issubclass(value, msgspec.Struct)
    and value not in (Message, Part)
    and name == value.__name__
}
MESSAGES = {name: kind for name, kind in STRUCTS.items() if issubclass(kind, Message)}
SECTIONS = {
    title: section
    for section in re.split(r"^(?=##)", TEXT, flags=re.MULTILINE)
    for title in re.findall(r"\A### .*\(`(\w+)`\)$", section, flags=re.MULTILINE)
}
BLOCKS = re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
EXAMPLES = {name: block for kind, name, block in BLOCKS if kind == "json"}
HEX = {
    name: bytes.fromhex(re.sub(r"#.*", "", block)) for kind, name, block in BLOCKS if kind == "hex"
}
DECODERS: dict[str, Callable[[bytes], object]] = {
    **dict.fromkeys(["Join", "Rejoin", "Attach", "Probe", "Hello"], decode_first),
    **dict.fromkeys(["AttachedReport", "DetachedReport", "ParentLost"], decode_from_node),
    **dict.fromkeys(["ChildLost", "Report", "Leave"], decode_from_node),
    **dict.fromkeys(["Offer", "Candidates", "Redirect", "Serve", "Clock"], decode_from_server),
    **dict.fromkeys(
        ["Announce", "Closed", "Dismiss", "MakeWay", "Refused", "Standby"], decode_from_server
    ),
    **dict.fromkeys(["ProbeReply", "Attached"], decode_from_parent),
    "HelloReply": decode_from_probed,
}


def rows(section: str) -> list[list[str]]:
    """Return the rows of the first table of a section, without its head."""
    table = re.search(r"^\| .*\n\|[ -|]*\n((?:\|.*\n?)*)", section, flags=re.MULTILINE)
    lines = table[1].splitlines() if table else []
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def after(heading: str) -> str:
    """Return the text behind a heading, up to the next."""
    _, _, rest = TEXT.partition(f"# {heading}\n")
    assert rest, heading
    return re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]


# --- tables


def number(value: float) -> str:
    if value in (2**32, 2**63 - 1):
        return "2^32" if value == 2**32 else "2^63-1"
    return f"{value:g}" if abs(value) > 1e12 else str(int(value))


def pattern_of(alias: object) -> object:
    return typing.get_args(alias)[1].pattern


def union(kinds: tuple[inspect.Type, ...]) -> str:
    some = [render(kind) for kind in kinds if not isinstance(kind, inspect.NoneType)]
    return " or ".join([*some, "null"] if len(some) < len(kinds) else some)


def integer(kind: inspect.IntType) -> str:
    least = kind.ge or 0
    if kind.le is None and kind.lt is None:
        return f"int {least}..2^64-1"  # SenderReport sees to it
    most = kind.le if kind.le is not None else (kind.lt or 0) - 1
    return f"int {least}..{number(most)}"


def text(kind: inspect.StrType) -> str:
    if kind.pattern is not None:
        names = {pattern_of(NodeName): "node name", pattern_of(AddressText): "address"}
        return names[kind.pattern]
    return f"text {kind.min_length or 0}..{kind.max_length}"


def floating(kind: inspect.FloatType) -> str:
    assert kind.ge is not None
    assert kind.le is not None
    return f"float {number(kind.ge)}..{number(kind.le)}"


def render(kind: inspect.Type) -> str:
    """Return a field's type and bounds as the tables have them."""
    match kind:
        case inspect.BoolType():
            out = "bool"
        case inspect.IntType():
            out = integer(kind)
        case inspect.FloatType():
            out = floating(kind)
        case inspect.StrType():
            out = text(kind)
        case inspect.LiteralType(values=values):
            out = "one of " + ", ".join(f"`{value}`" for value in values)
        case inspect.VarTupleType(item_type=item, max_length=most):
            out = f"list of 0..{most} {render(item)}"
        case inspect.StructType(cls=struct):
            out = struct.__name__
        case inspect.UnionType(types=kinds):
            out = union(kinds)
        case _:
            raise AssertionError(kind)
    return out


def described(field: inspect.Field) -> list[str]:
    kind = render(field.type)
    if not field.required:
        kind += f"; default `{json.dumps(field.default)}`"
    return [f"`{field.name}`", kind]


def test_every_message_and_part_has_a_section() -> None:
    assert set(SECTIONS) == set(STRUCTS)


@pytest.mark.parametrize("name", STRUCTS)
def test_a_table_has_every_field_with_its_type_and_bounds(name: str) -> None:
    info = inspect.type_info(STRUCTS[name])
    assert isinstance(info, inspect.StructType)
    table = rows(SECTIONS[name])
    assert [row[:2] for row in table] == [described(field) for field in info.fields]
    assert all(len(row) == 3 and row[2] for row in table)


def test_every_frame_type_has_its_row() -> None:
    table = re.findall(r"^\| (\d+) \| `([A-Z]+)` \|", TEXT, flags=re.MULTILINE)
    assert table == [(str(kind.value), kind.name) for kind in FrameType]


def test_every_reason_for_the_end_of_a_link_is_there() -> None:
    told: dict[str, set[str]] = {"EndFrame": set(), "ParentLost, ChildLost": set()}
    for reasons, where, _ in rows(after("Reasons for the end of a link")):
        told[where] |= set(re.findall(r"`(\w+)`", reasons))
    assert told["EndFrame"] == set(typing.get_args(EndReason))
    assert told["ParentLost, ChildLost"] == set(typing.get_args(LostReason))


def test_every_reason_of_refused_that_the_code_gives_is_there() -> None:
    told = {row[0].strip("`") for row in rows(after("Reasons of Refused"))}
    given = {VersionError.reason, BadMessageError.reason}
    code = Path(common.messages.__file__).parents[1]
    for path in [*code.glob("common/**/*.py"), *code.glob("*proxy/net/*.py")]:
        source = path.read_text()
        given |= set(re.findall(r"refuse\(\s*(?:link, )?\"(\w+)\"", source))
        given |= set(re.findall(r"\bRefuse\(\"(\w+)\"", source))
    assert told >= given
    assert {"unknown_channel", "unauthorized", "detached", "loop", "full"} <= given


def test_the_limits_are_those_of_the_code() -> None:
    for limit in (MAX_JSON_BYTES, MAX_PATH_BYTES, MAX_STREAM_BYTES, MAX_PAYLOAD_BYTES):
        assert f"{limit:,}" in TEXT
    assert f"1..{MAX_PAYLOAD_BYTES + 19:,}" in TEXT
    assert f"2^{NUMBER_BITS}" in TEXT
    assert TEXT.startswith(f"# The overlay protocol, version {VERSION}\n")


# --- examples


def test_every_message_has_an_example() -> None:
    assert set(EXAMPLES) == set(MESSAGES) == set(DECODERS)


@pytest.mark.parametrize("name", MESSAGES)
def test_an_example_of_a_message_decodes_and_encodes(name: str) -> None:
    said = json.loads(EXAMPLES[name])
    message = DECODERS[name](json.dumps(said).encode())
    assert isinstance(message, Message)
    assert type(message) is MESSAGES[name]
    reader = MessageReader()
    reader.feed(encode_message(message))
    assert json.loads(reader.take() or b"") == said


def test_the_example_of_a_message_as_bytes_is_one() -> None:
    assert encode_message(Leave()) == HEX["message"]


def test_every_frame_type_has_an_example() -> None:
    assert set(HEX) == {"message", *FrameType.__members__}


@pytest.mark.parametrize("kind", [FrameType.DATA, FrameType.EPOCH])
def test_an_example_of_a_sequenced_frame_decodes_and_encodes(kind: FrameType) -> None:
    (packet,) = FrameReader().feed(HEX[kind.name]).packets
    assert packet.type == kind
    assert encode(packet) == HEX[kind.name]
    assert HEX[kind.name][HEADER_BYTES:] == packet.payload
    if kind is FrameType.EPOCH:
        assert encode_body(decode_stream(packet.payload)) == packet.payload


@pytest.mark.parametrize("kind", sorted(set(FrameType) - {FrameType.DATA, FrameType.EPOCH}))
def test_an_example_of_a_frame_of_the_link_decodes_and_encodes(kind: FrameType) -> None:
    ((found, body),) = FrameReader().feed(HEX[kind.name]).control
    assert found is kind
    assert encode_control(kind, body) == HEX[kind.name]
    match kind:
        case FrameType.HEARTBEAT:
            assert Heartbeat.decode(body).encode() == HEX[kind.name]
        case FrameType.PATH:
            assert encode_body(decode_path(body)) == body
        case FrameType.REDIRECT:
            assert encode_body(decode_redirect(body)) == body
        case FrameType.END | FrameType.BYE:
            assert encode_body(decode_end(body)) == body
        case FrameType.RESUME:
            assert encode_resume(decode_resume(body)) == HEX[kind.name]
        case FrameType.SERVE:
            assert encode_body(decode_serve(body)) == body
        case _:
            assert body == b""


@pytest.mark.parametrize(("name", "field"), [("HEARTBEAT", "newest"), ("DATA", "length")])
def test_the_offsets_of_the_examples_are_those_of_the_tables(name: str, field: str) -> None:
    """Each line of a hex example begins where the table says that its field does."""
    heading = {"HEARTBEAT": "HEARTBEAT", "DATA": "Sequenced frames"}[name]
    offsets = [int(row[0]) for row in rows(after(heading)) if row[0].isdigit()]
    block = next(block for _, found, block in BLOCKS if found == name)
    at, begins = 0, []
    for line in block.splitlines():
        begins.append(at)
        at += len(bytes.fromhex(line.partition("#")[0]))
    assert set(offsets) <= set(begins)
    assert offsets[0] == (PREFIX_BYTES if name == "HEARTBEAT" else 0)
    assert field in after(heading)
