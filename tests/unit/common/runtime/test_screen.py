"""What reaches a terminal, and what reaches a file."""

import io

import pytest

from common.runtime.screen import Screen
from common.runtime.table import Line


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


LINES = [Line("cam · up", "head"), Line("roof\x1b[2J", "bad")]
XTERM = {"TERM": "xterm"}


def test_a_file_gets_plain_lines() -> None:
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with Screen(out, XTERM) as screen:
        screen.show(LINES)
        assert screen.size[1] is None
    out.seek(0)
    assert out.read() == "cam · up\nroof\\x1b[2J\n"


def test_a_file_in_ascii_gets_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    Screen(out, XTERM).show([Line("cam · 192.0.2.… é")])
    out.seek(0)
    assert out.read() == "cam | 192.0.2.~ ?\n"


def test_a_terminal_is_drawn_in_place_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("LINES", "12")
    out = Terminal()
    with Screen(out, XTERM) as screen:
        assert screen.size == (90, 12)
        screen.show(LINES)
    text = out.getvalue()
    assert text.startswith("\x1b[?1049h")
    assert "\x1b[H\x1b[1mcam · up\x1b[0m\x1b[K\n\x1b[31mroof\\x1b[2J\x1b[0m\x1b[K\x1b[J" in text
    assert text.endswith("\x1b[?1049l")


def test_no_colour_where_it_is_not_wanted() -> None:
    out = Terminal()
    with Screen(out, {**XTERM, "NO_COLOR": "1"}) as screen:
        screen.show(LINES)
    assert "\x1b[1m" not in out.getvalue()


def test_a_dumb_terminal_is_a_file() -> None:
    out = Terminal()
    with Screen(out, {"TERM": "dumb"}) as screen:
        screen.show([Line("cam", "bad")])
    assert out.getvalue() == "cam\n"
