"""Any bytes on a control link parse or raise PeerError; what we send comes back as it was."""

import json
from collections.abc import Callable
from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from common import attach, messages
from common.codec import (
    MessageReader,
    decode_end,
    decode_first,
    decode_from_node,
    decode_from_parent,
    decode_from_probed,
    decode_from_prober,
    decode_from_server,
    decode_path,
    decode_redirect,
    decode_stream,
    encode_message,
)
from common.errors import PeerError
from common.fields import AddressText, Candidate
from common.ids import Address
from common.messages import Message, Redirect, Refused
from tests.support.cuts import cut

DECODERS: list[Callable[[bytes], object]] = [
    decode_end,
    decode_first,
    decode_from_node,
    decode_from_parent,
    decode_from_probed,
    decode_from_prober,
    decode_from_server,
    decode_path,
    decode_redirect,
    decode_stream,
]
STRUCTS = [
    value
    for value in {**vars(messages), **vars(attach)}.values()
    if isinstance(value, type) and issubclass(value, msgspec.Struct)
]
NAMES = sorted({name for struct in STRUCTS for name in struct.__struct_fields__})
TAGS = sorted({str(struct.__struct_config__.tag) for struct in STRUCTS})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["n1", "root", "h:1", "closed", "bye", 0, 1]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=8,
)


@st.composite
def almost(draw: st.DrawFn) -> bytes:
    """Return JSON that looks like one of our messages."""
    struct = draw(st.sampled_from(STRUCTS))
    said = {field: draw(VALUES) for field in struct.__struct_fields__ if draw(st.integers(0, 9))}
    if draw(st.integers(0, 9)):
        said["MessageType"] = draw(st.sampled_from(TAGS))
    return json.dumps(said).encode()


@given(almost() | st.binary(max_size=60) | VALUES.map(lambda said: json.dumps(said).encode()))
def test_any_json_is_a_message_or_a_peer_error(text: bytes) -> None:
    for decode in DECODERS:
        try:
            message = decode(text)
        except PeerError:
            continue
        if isinstance(message, Message):
            assert decode(encode_message(message)[6:]) == message


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_any_bytes_are_texts_or_a_peer_error_wherever_they_are_cut(
    data: bytes, at: list[int]
) -> None:
    assert texts(cut(data, at)) == texts([data])


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=6),
    st.lists(st.integers(0, 600), max_size=8),
)
def test_messages_come_back_as_they_were_wherever_they_are_cut(
    sentences: list[str], at: list[int]
) -> None:
    sent = [Refused(reason="full", sentence=sentence) for sentence in sentences]
    found, failed = texts(cut(b"".join(map(encode_message, sent)), at))
    assert not failed
    assert [decode_from_parent(text) for text in found] == sent


def texts(chunks: list[bytes]) -> tuple[list[bytes], bool]:
    reader, found = MessageReader(), list[bytes]()
    try:
        for chunk in chunks:
            reader.feed(chunk)
            while (text := reader.take()) is not None:
                found.append(text)
    except PeerError:
        return found, True
    return found, False


@given(
    st.text("abz09.:[]%-_h\n\u00e9", max_size=80) | st.from_regex(get_args(AddressText)[1].pattern)
)
def test_an_address_that_is_taken_can_be_dialled(address: str) -> None:
    redirect = Redirect(
        stripe=0, parent="n1", targets=(Candidate("n2", (address,), 0.0, available=True),)
    )
    try:
        decode_from_parent(encode_message(redirect)[6:])
    except PeerError:
        return
    host, port = Address.parse(address, 0)
    host.encode("idna")
    assert 0 <= port <= 65_535
