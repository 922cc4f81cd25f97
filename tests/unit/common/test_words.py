"""Numbers and names as people read them."""

import json

import pytest

from common import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0.00004, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.0124, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (12.34, "12.3 s"),
    ],
)
def test_a_short_time(seconds: float, text: str) -> None:
    assert words.time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (7510, "2 h"),
        (180_000, "2 d"),
    ],
)
def test_how_long_something_has_lasted(seconds: float, text: str) -> None:
    assert words.length(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0, "0 kbit/s"), (93_000, "744 kbit/s"), (262_500, "2.1 Mbit/s"), (12_500_000, "100 Mbit/s")],
)
def test_a_rate(rate: float, text: str) -> None:
    assert words.rate(rate) == text


def test_names_and_numbers() -> None:
    assert words.count(12_345) == "12,345"
    assert [words.plural(n, "copy", "copies") for n in (1, 2)] == ["1 copy", "2 copies"]
    assert [words.short(n) for n in ("root", "n12-k3xz", "camera")] == ["server", "n12", "camera"]
    assert words.codecs(["H264", "MPEG4-GENERIC"]) == "H264+AAC"


def test_json_steers_no_terminal_and_means_the_same() -> None:
    evil = ["cam\x9b31m\x7f\u2028\u202e", "\x1b[2J", "Küche"]
    found = words.escaped_json(json.dumps(evil, ensure_ascii=False))
    assert found.isprintable()
    assert json.loads(found) == evil
    assert "Küche" in found


def test_who_has_no_slots_serves_no_stripe() -> None:
    assert words.serving(0, 3) == "serves stripe 0, 3 slots"
    assert words.serving(None, 0) == "serves no stripe"
