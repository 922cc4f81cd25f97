"""Tables at any width: what is cut, what is left out, what is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.runtime.table import Column, Line, facts, fitted, shortened, table, wrapped

COLUMNS = (
    Column("NODE", need=3),
    Column("ADDRESS", need=1, least=9),
    Column("LOST", need=2, right=True),
)
ROWS = [("n1", "192.0.2.1:7855", "0"), ("n12", "192.0.2.12:7855", "1,204")]


def test_a_table_has_titles_and_aligned_columns() -> None:
    assert table(COLUMNS, ROWS, 80) == [
        "NODE  ADDRESS           LOST",
        "n1    192.0.2.1:7855       0",
        "n12   192.0.2.12:7855  1,204",
    ]


def test_what_can_be_cut_is_cut_before_a_column_goes() -> None:
    assert table(COLUMNS, ROWS, 22) == [
        "NODE  ADDRESS     LOST",
        "n1    192.0.2.…      0",
        "n12   192.0.2.…  1,204",
    ]


def test_the_column_that_is_needed_least_goes_first() -> None:
    assert table(COLUMNS, ROWS, 21) == ["NODE   LOST", "n1        0", "n12   1,204"]
    assert table(COLUMNS, ROWS, 8) == ["NODE", "n1", "n12"]
    assert table(COLUMNS, ROWS, 2) == ["N…", "n1", "n…"]


@given(st.lists(st.tuples(*[st.text("ab", max_size=30)] * 3), max_size=5), st.integers(1, 100))
def test_no_line_is_wider_than_asked(rows: list[tuple[str, str, str]], width: int) -> None:
    found = table(COLUMNS, rows, width)
    assert len(found) == len(rows) + 1
    assert max(map(len, found)) <= width


def test_facts_stand_side_by_side_as_far_as_they_fit() -> None:
    parts = ["clientproxy", "overlay :7855", "3 players"]
    assert [one.text for one in facts(parts, 80)] == ["clientproxy · overlay :7855 · 3 players"]
    assert [one.text for one in facts(parts, 30)] == ["clientproxy · overlay :7855", "  3 players"]
    assert [one.text for one in facts(parts, 8)] == ["clientp…", "  overl…", "  3 pla…"]


def test_a_sentence_is_wrapped_and_indented() -> None:
    assert wrapped("the source is down: it does not answer", 24, "bad") == [
        Line("the source is down: it", "bad"),
        Line("  does not answer", "bad"),
    ]


@pytest.mark.parametrize(
    ("height", "texts"),
    [
        (None, ["a", "b", "c"]),
        (3, ["a", "b", "c"]),
        (2, ["a", "and 2 more"]),
        (1, ["and 3 more"]),
        (0, ["and 3 more"]),
    ],
)
def test_too_many_lines_say_how_many_are_left_out(height: int | None, texts: list[str]) -> None:
    groups = [[Line("a")], [Line("b")], [Line("c")]]
    assert [one.text for one in shortened(groups, height, "and {} more")] == texts


def test_what_belongs_together_is_shown_whole_or_not_at_all() -> None:
    groups = [[Line("a")], [Line("b"), Line("why")], [Line("c")]]
    found = [[one.text for one in shortened(groups, n, "and {} more")] for n in (2, 3, 4)]
    assert found == [["a", "and 2 more"], ["a", "and 2 more"], ["a", "b", "why", "c"]]


def test_lines_are_cut_to_what_fits() -> None:
    assert fitted([Line("abcdef", "bad"), Line("b")], 4, 1) == [Line("abc…", "bad")]
