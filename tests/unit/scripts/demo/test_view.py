"""The table and the trees of the demo."""

import io

import pytest

from common.runtime.table import Line
from scripts.demo import view
from scripts.demo.terminal import Screen
from scripts.demo.view import Channel, Client, Node, Tree

WIDTH = 100


def client(node: str, *parents: str | None) -> Client:
    return Client([Node(0.0125, 700, 3, 1, node, list(parents))])


def test_a_row_says_who_feeds_the_node_and_how_it_does() -> None:
    headings, row = view.rows({":8554": client("n1", "root", None)}, WIDTH)
    assert headings.split("  ")[0] == "node"
    assert " ".join(row.split()) == "n1 :8554 server proxy looking 12.5 ms 700 3 1"
    assert row.index("server proxy") == headings.index("stripe 0 from")
    assert row.index("looking") == headings.index("stripe 1 from")


def test_a_client_proxy_without_a_node_yet_has_a_row_too() -> None:
    rows = view.rows({":1": None, ":2": Client([]), ":3": Client([Node(0, 0, 0, 0)])}, WIDTH)
    assert [row.split()[1:] for row in rows[1:]] == [
        [":1", "no", "answer"],
        [":2", "joining"],
        [":3", "joining"],
    ]


def test_one_stripe_leaves_the_second_column_empty() -> None:
    assert "-" in view.rows({":1": client("n1", "root")}, WIDTH)[1].split()


def test_children_stand_indented_below_their_parents() -> None:
    first = Tree(0, {"n3": "n1", "n1": "root", "n2": "n1", "n4": None})
    second = Tree(1, {"n2": "root"})
    assert view.trees(Channel(source_up=True, source_error=None, trees=[first, second])) == [
        "tree of stripe 0  tree of stripe 1",
        "  server proxy      server proxy",
        "    n1                n2",
        "      n3",
        "      n2",
    ]


def test_a_cycle_in_an_answer_does_no_harm() -> None:
    """It hangs nowhere below the server proxy."""
    tree = Tree(0, {"n1": "n2", "n2": "n1"})
    assert view.trees(Channel(source_up=True, source_error=None, trees=[tree])) == [
        "tree of stripe 0",
        "  server proxy",
    ]


def test_the_source_is_up_or_says_why_not() -> None:
    up = Channel(source_up=True, source_error=None, trees=[])
    down = Channel(source_up=False, source_error="it hides", trees=[])
    assert view.source_line("rtsp://a/", up) == "source is up: rtsp://a/"
    assert view.source_line("rtsp://a/", down) == "source is down: rtsp://a/: it hides"
    assert view.source_line("rtsp://a/", None) == "the server proxy does not answer"


def test_the_table_fits_eighty_columns_whole() -> None:
    clients = {":65535": client("n1", "root", "n2"), ":8555": client("n22", "n1", "root")}
    assert view.rows(clients, 79) == view.rows(clients, 200)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_picture_stays_in_its_place_and_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"TERM": "xterm", "COLUMNS": "40", "LINES": "10"}.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    screen = Screen(terminal)
    screen.say("before")
    for _ in range(2):
        screen.show([Line("x" * 200), *map(Line, "abcdefghijkl")])
    said, drawn, again = terminal.getvalue().partition("\x1b[9F\x1b[J")
    assert drawn
    assert said.removeprefix("before\n") == again
    assert again.count("\n") == 9
    assert max(map(len, again.splitlines())) < 40
