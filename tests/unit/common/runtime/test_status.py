"""The loop of `status`: once, or again and again until Ctrl-C; a daemon that is not there."""

import argparse
import io
import json

import pytest

from common.ids import Address
from common.runtime import status
from common.runtime.ask import Api, AskError
from common.runtime.screen import Screen
from common.runtime.status import show_status
from common.runtime.table import Line

NOWHERE = Address("127.0.0.1", 1)
EVIL = "\x9b31m\x1b[2J\u202e"


class Counting:
    """A view that shows how often it has looked."""

    looks = 2

    def __init__(self, *, away: tuple[int, ...] = ()) -> None:
        self.at: list[float] = []
        self._away = away

    def look(self, api: Api, at: float) -> None:
        self.at.append(at)
        if len(self.at) in self._away:
            raise AskError("nobody answers")

    def lines(self, width: int, height: int | None) -> list[Line]:
        return [Line(f"look {len(self.at)} in {width} x {height}")]

    def document(self, api: Api) -> dict[str, object]:
        return {"channel": EVIL}


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Nap:
    """A clock that goes on by sleeping; the user presses Ctrl-C at the end of the last nap."""

    def __init__(self, naps: int) -> None:
        self.now, self._left = 100.0, naps

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        if not self._left:
            raise SystemExit(0)
        self._left -= 1
        self.now += seconds


@pytest.fixture(autouse=True)
def size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")


def shown(view: Counting, out: io.StringIO, *, once: bool, naps: int) -> str:
    nap, api = Nap(naps), Api("serverproxy", NOWHERE)
    screen = Screen(out, {"TERM": "xterm", "NO_COLOR": "1"})
    status._show(view, api, screen, once=once, clock=nap.clock, sleep=nap.sleep)  # noqa: SLF001
    return out.getvalue()


@pytest.mark.parametrize(("out", "once"), [(io.StringIO(), False), (Terminal(), True)])
def test_one_picture_after_two_looks(out: io.StringIO, once: bool) -> None:
    view = Counting()
    assert shown(view, out, once=once, naps=1) == "look 2 in 80 x None\n"
    assert view.at == [100.0, 101.0]


def test_on_a_terminal_it_goes_on_each_second_and_waits_for_a_daemon_that_is_away() -> None:
    view, out = Counting(away=(2,)), Terminal()
    with pytest.raises(SystemExit) as ended:
        shown(view, out, once=False, naps=2)
    assert ended.value.code == 0
    pictures = out.getvalue().split("\x1b[H")[1:]
    assert [one.partition("\x1b")[0] for one in pictures] == [
        "look 1 in 80 x 24",
        "nobody answers",
        "look 3 in 80 x 24",
    ]
    assert out.getvalue().endswith("\x1b[?1049l")


def test_a_daemon_that_is_away_is_told_within_the_height(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that is higher than the terminal would scroll, and never be drawn over."""
    monkeypatch.setenv("LINES", "1")
    out = Terminal()
    with pytest.raises(SystemExit):
        shown(Counting(away=(2,)), out, once=False, naps=1)
    assert [one.count("\n") for one in out.getvalue().split("\x1b[H")] == [0, 0, 0]


def test_json_from_a_daemon_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Api, "check", lambda _: None)
    args = argparse.Namespace(http="127.0.0.1:1", config=None, once=False, json=True)
    assert show_status("serverproxy", Counting(), args, NOWHERE) == 0
    out = capsys.readouterr().out
    assert out.removesuffix("\n").isprintable()
    assert json.loads(out) == {"channel": EVIL}


def test_what_the_other_side_says_stays_in_one_line_of_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def evil(_: Api) -> None:
        raise AskError("it says \x1b[31mEVIL\nline 2")

    monkeypatch.setattr(Api, "check", evil)
    args = argparse.Namespace(http="127.0.0.1:1", config=None, once=False, json=False)
    assert show_status("serverproxy", Counting(), args, NOWHERE) == 1
    assert capsys.readouterr().err == "it says \\x1b[31mEVIL\\nline 2\n"


def test_a_daemon_that_does_not_answer_is_a_sentence_and_exit_code_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = argparse.Namespace(http="127.0.0.1:1", config=None, once=False, json=False)
    assert show_status("serverproxy", Counting(), args, NOWHERE) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("no serverproxy answers at 127.0.0.1:1 (")
