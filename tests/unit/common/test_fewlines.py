"""How many lines are about the same."""

from common.fewlines import MAX_KNOWN, FewLines


def test_lines_are_counted_for_each_and_anew_after_a_while() -> None:
    lines = FewLines(60.0)
    assert [lines.count("a", now) for now in (5.0, 6.0, 64.9)] == [1, 2, 3]
    assert lines.count("b", 64.9) == 1
    assert [lines.count("a", now) for now in (65.0, 65.0)] == [1, 2]


def test_of_so_many_they_are_counted_the_longest_without_goes_first() -> None:
    lines = FewLines(60.0)
    lines.count("a", 0.0)
    lines.count("b", 0.0)
    lines.count("a", 0.0)
    for number in range(MAX_KNOWN - 1):
        lines.count(f"n{number}", 0.0)
    assert lines.count("a", 0.0) == 3
    assert lines.count("b", 0.0) == 1


def test_what_is_forgotten_begins_anew() -> None:
    lines = FewLines(60.0)
    lines.count("a", 0.0)
    lines.forget("a")
    lines.forget("never there")
    assert lines.count("a", 0.0) == 1
