"""Numbers and names as people read them, as the status pages write them (`common/web/words.js`)."""

import re
from collections.abc import Sequence

_TAGGED = re.compile(r"(n\d+)-[0-9a-z]{4}")
_SPOKEN = {"MPEG4-GENERIC": "AAC", "MP4A-LATM": "AAC"}
_OBEYED = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a terminal obeys."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: int) -> str:
    """12345 → "12,345"."""
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """1 → "1 player", 2 → "2 players"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def time(seconds: float) -> str:
    """0.00041 → "0.4 ms", 0.0123 → "12 ms", 1.23 → "1.2 s"."""
    ms = max(0.0, seconds) * 1000
    if ms >= 999.5:  # noqa: PLR2004 - rounds to 1 s
        return f"{ms / 1000:.1f} s"
    return f"{ms:.1f} ms" if 0.05 <= ms < 9.95 else f"{ms:.0f} ms"  # noqa: PLR2004 - to 0 and 10


def length(seconds: float) -> str:
    """Return how long something has lasted: "42 s", "3 min", "2 h", "4 d"."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h"
    return f"{whole // _DAY} d"


def rate(bytes_a_second: float) -> str:
    """Bytes a second → "2.1 Mbit/s"."""
    bits = max(0.0, bytes_a_second) * 8
    if bits >= 1e9:  # noqa: PLR2004 - giga
        return f"{bits / 1e9:.2f} Gbit/s"
    if bits >= 1e6:  # noqa: PLR2004 - mega
        return f"{bits / 1e6:.{1 if bits < 1e7 else 0}f} Mbit/s"  # noqa: PLR2004
    return f"{bits / 1e3:.0f} kbit/s"


def short(node: str) -> str:
    """Shorten "n12-k3xz" to "n12": the tag of the server process says nothing to people."""
    if node == "root":
        return "server"
    found = _TAGGED.fullmatch(node)
    return found[1] if found else node


def codec(name: str) -> str:
    """Return what an encoding name of SDP is called: "MPEG4-GENERIC" → "AAC"."""
    return _SPOKEN.get(name, name)


def codecs(names: Sequence[str]) -> str:
    """Return the encoding names of a stream's tracks in one word: "H264+AAC"."""
    return "+".join(map(codec, names))


def serving(stripe: int | None, slots: int) -> str:
    """Return what a node serves: "serves stripe 0, 3 slots", or "serves no stripe"."""
    return "serves no stripe" if stripe is None else f"serves stripe {stripe}, {slots} slots"


def escaped_json(document: str) -> str:
    """Return a JSON document that means the same and steers no terminal."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
