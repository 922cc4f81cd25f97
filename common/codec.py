"""Messages as bytes: Zebra's five-digit length, a newline, one JSON object (Zebra, 3.1).

The length counts the JSON alone. `MessageReader` takes bytes as they come and gives whole JSON
texts; a decoder per link state turns one into a message or raises BadMessageError.
"""

from typing import Generic, TypeAlias, TypeVar

import msgspec

from common.attach import Attach, FromParent, FromProber, Probe
from common.errors import BadMessageError, VersionError
from common.fields import EndFrame, Part, Path, RedirectFrame, ServeFrame, Stream
from common.messages import VERSION, FromNode, FromProbed, FromServer, Hello, Join, Message, Rejoin

LENGTH_DIGITS = 5
MAX_JSON_BYTES = 99_999
MAX_PATH_BYTES = 48_000
"""JSON of a path that a parent may send: with the child's own entry it still fits a frame."""
_PREFIX_BYTES = LENGTH_DIGITS + 1

T = TypeVar("T")
_encoder = msgspec.json.Encoder()

First: TypeAlias = Join | Rejoin | Attach | Probe | Hello
"""What a link may begin with."""


class Decoder(Generic[T]):
    """Decode the JSON of one link state."""

    def __init__(self, kind: object, most: int = MAX_JSON_BYTES) -> None:
        """Take the type, or union of messages, and the bytes of JSON that are accepted."""
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._most = most

    def __call__(self, text: bytes) -> T:
        """Return the message; raise BadMessageError that says what is wrong with it."""
        if len(text) > self._most:
            raise BadMessageError(f"message of {len(text)} bytes, at most {self._most} are taken")
        try:
            return self._decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadMessageError(f"bad message: {error}") from None


class _Version(msgspec.Struct):
    """What every version of the protocol has to say in the first message of a link."""

    version: int | None = None
    join: "_Version | None" = None


class _FirstDecoder(Decoder[First]):
    """Another version may have other messages and fields: its number is looked at first."""

    def __init__(self) -> None:
        super().__init__(First)
        self._version: Decoder[_Version] = Decoder(_Version)

    def __call__(self, text: bytes) -> First:
        """Return the message; raise VersionError or BadMessageError."""
        try:
            message = super().__call__(text)
        except BadMessageError:
            said = self._version(text)
            version = said.version if said.join is None else said.join.version
            if version in (None, VERSION):
                raise
        else:
            version = message.join.version if isinstance(message, Rejoin) else message.version
            if version == VERSION:
                return message
        raise VersionError(f"I speak version {VERSION} of the overlay protocol")


decode_first: Decoder[First] = _FirstDecoder()
decode_from_node: Decoder[FromNode] = Decoder(FromNode)
decode_from_server: Decoder[FromServer] = Decoder(FromServer)
decode_from_parent: Decoder[FromParent] = Decoder(FromParent, MAX_PATH_BYTES)
decode_from_probed: Decoder[FromProbed] = Decoder(FromProbed)
decode_from_prober: Decoder[FromProber] = Decoder(FromProber)
decode_path: Decoder[Path] = Decoder(Path, MAX_PATH_BYTES)
decode_stream: Decoder[Stream] = Decoder(Stream)
decode_redirect: Decoder[RedirectFrame] = Decoder(RedirectFrame)
decode_end: Decoder[EndFrame] = Decoder(EndFrame)
decode_serve: Decoder[ServeFrame] = Decoder(ServeFrame)


def encode_body(part: Part | Path) -> bytes:
    """Return the JSON body of a frame."""
    return _encoder.encode(part)


def encode_message(message: Message) -> bytes:
    """Return a message with its length; raise ValueError if it is longer than 99,999 bytes."""
    text = _encoder.encode(message)
    if len(text) > MAX_JSON_BYTES:
        raise ValueError(
            f"{type(message).__name__} of {len(text)} bytes, at most {MAX_JSON_BYTES} fit"
        )
    return b"%05d\n%s" % (len(text), text)


class MessageReader:
    """Split the bytes of a link into JSON texts; holds at most one message and one chunk."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take what came."""
        self._data += chunk

    def take(self) -> bytes | None:
        """Return the next JSON text, or None. Raises BadMessageError: end the link then."""
        data = self._data
        digits = bytes(data[:LENGTH_DIGITS])
        if digits and not digits.isdigit():
            raise BadMessageError(f"no message length but {digits!r}")
        if len(data) < _PREFIX_BYTES:
            return None
        if data[LENGTH_DIGITS] != ord("\n"):
            raise BadMessageError("no newline behind the message length")
        end = _PREFIX_BYTES + int(digits)
        if len(data) < end:
            return None
        text = bytes(data[_PREFIX_BYTES:end])
        del data[:end]
        return text

    def rest(self) -> bytes:
        """Return and forget the bytes behind the last message: frames, once a link is binary."""
        rest = bytes(self._data)
        self._data.clear()
        return rest
