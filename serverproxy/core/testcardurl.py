"""The `testcard:` URL: a moving picture and a tone, made in the process.

`testcard:?size=1280x720&rate=25&bitrate=2000&keyframe=10&audio=0&codec=h265`; every option has a
default.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

SCHEME = "testcard:"
_OPTIONS = ("size", "rate", "bitrate", "keyframe", "audio", "codec")
_UNITS = {"bitrate": " of kbit/s", "keyframe": " of seconds"}
_LEAST_SIDE, _MOST_SIDE = 64, 3840


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCardOptions:
    """What the test card shows."""

    width: int = 640
    height: int = 360
    rate: int = 25
    """Pictures a second."""
    bitrate: int = 600
    """Of the video, in kbit/s."""
    keyframe: float = 1.0
    """Seconds from one keyframe to the next."""
    audio: bool = True
    codec: Literal["h264", "h265"] = "h264"


def parse(url: str) -> TestCardOptions:
    """Read a `testcard:` URL; raise ValueError that names the option and what it takes."""
    name, query = url.removeprefix(SCHEME).partition("?")[::2]
    if not url.startswith(SCHEME) or name:
        raise ValueError(f"{url!r} is not a test card: write testcard: or testcard:?OPTION=VALUE")
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError(f"testcard: cannot read {query!r}: write OPTION=VALUE&…") from None
    values = dict(given)
    for option in values:
        if option not in _OPTIONS:
            raise ValueError(f"testcard: no option {option!r}: there are {', '.join(_OPTIONS)}")
    if len(values) != len(given):
        raise ValueError("testcard: an option is given twice")
    codec = values.get("codec", "h264").lower()
    if codec not in ("h264", "h265"):
        raise ValueError(f"testcard: codec is {codec!r}: h264 or h265")
    audio = values.get("audio", "1")
    if audio not in ("0", "1"):
        raise ValueError(f"testcard: audio is {audio!r}: 0 or 1")
    width, height = _size(values.get("size", "640x360"))
    return TestCardOptions(
        width=width,
        height=height,
        rate=int(_number(values, "rate", 25, (1, 120))),
        bitrate=int(_number(values, "bitrate", 600, (20, 100_000))),
        keyframe=_number(values, "keyframe", 1, (0.1, 60), whole=False),
        audio=audio == "1",
        codec="h265" if codec == "h265" else "h264",
    )


def _size(value: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", value)
    sides = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(_LEAST_SIDE <= side <= _MOST_SIDE and side % 2 == 0 for side in sides):
        raise ValueError(
            f"testcard: size is {value!r}: WIDTHxHEIGHT, even, {_LEAST_SIDE} to {_MOST_SIDE}"
        )
    return sides


def _number(
    values: dict[str, str],
    option: str,
    default: float,
    bounds: tuple[float, float],
    *,
    whole: bool = True,
) -> float:
    value = values.get(option)
    if value is None:
        return default
    form = r"\d{1,9}" if whole else r"\d{1,9}(\.\d{1,9})?"
    if not re.fullmatch(form, value) or not bounds[0] <= float(value) <= bounds[1]:
        kind = ("a whole number" if whole else "a number") + _UNITS.get(option, "")
        raise ValueError(
            f"testcard: {option} is {value!r}: {kind} from {bounds[0]:g} to {bounds[1]:g}"
        )
    return float(value)
