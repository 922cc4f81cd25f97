"""Numbers and names as people read them, as the status pages write them (`common/web/words.js`)."""

import re

_TAGGED = re.compile(r"(n\d+)-[0-9a-z]{4}")
_SPOKEN = {"MPEG4-GENERIC": "AAC", "MP4A-LATM": "AAC"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def count(number: int) -> str:
    """12345 → "12,345"."""
    return f"{number:,}"


def plural(number: int, one: str, many: str = "") -> str:
    """1 → "1 player", 2 → "2 players"."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def time(seconds: float) -> str:
    """0.0123 → "12 ms", 1.23 → "1.2 s"."""
    ms = max(0.0, seconds) * 1000
    return f"{ms:.0f} ms" if ms < 999.5 else f"{ms / 1000:.1f} s"  # noqa: PLR2004 - rounds to 1 s


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


def codecs(names: list[str]) -> str:
    """Return the encoding names of a stream's tracks in common words: "H264+AAC"."""
    return "+".join(_SPOKEN.get(name, name) for name in names)
