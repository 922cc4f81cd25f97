"""Whom the server proxy dials back next."""

import pytest

from serverproxy.core import turns as module
from serverproxy.core.turns import MAX_AT_ONE_HOST, MAX_HANGING, Turn, Turns

AT_ONCE = 2 * MAX_AT_ONE_HOST
MANY = 4 * AT_ONCE


@pytest.fixture(autouse=True)
def as_many_as_two_hosts_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_AT_ONCE", AT_ONCE)


def waiting(turns: Turns, host: str, count: int = 1) -> list[Turn]:
    new = [Turn(host) for _ in range(count)]
    for turn in new:
        turns.wait(turn)
    return new


def test_only_so_many_are_dialled_at_once_and_each_end_lets_another_begin() -> None:
    turns = Turns()
    for host in "abcd":
        waiting(turns, host, MANY)
    due = turns.due()
    assert len(due) == AT_ONCE
    assert turns.due() == []
    turns.end(due[0])
    assert len(turns.due()) == 1


def test_a_crowd_at_one_host_leaves_places_for_others_and_answers_let_it_go_on() -> None:
    turns = Turns()
    crowd = waiting(turns, "crowd", MANY)
    begun = turns.due()
    assert len(begun) == MAX_AT_ONE_HOST
    other = waiting(turns, "other")
    assert turns.due() == other
    dialled = list(begun)
    while begun:
        for turn in begun:
            turns.end(turn)
        begun = turns.due()
        assert len(begun) in {0, MAX_AT_ONE_HOST}
        dialled += begun
    assert set(dialled) == set(crowd)


def test_hosts_take_turns() -> None:
    turns = Turns()
    for host in "ab":
        waiting(turns, host, MAX_AT_ONE_HOST)
    begun = turns.due()
    waiting(turns, "a", MANY)
    waiting(turns, "c", 3)
    for turn in begun[:4]:
        turns.end(turn)
    assert [turn.host for turn in turns.due()] == ["a", "c", "a", "c"]


def test_within_a_host_the_newest_comes_first() -> None:
    turns = Turns()
    first, second = waiting(turns, "a", 2)
    assert turns.due() == [second, first]


def test_who_hangs_gives_its_place_to_others_but_to_no_more_of_its_host() -> None:
    turns = Turns()
    for host in "ab":
        waiting(turns, host, MANY)
    hanging = turns.due()
    assert len(hanging) == AT_ONCE
    for turn in hanging:
        turns.hangs(turn)
    assert turns.due() == []
    honest = waiting(turns, "honest", MAX_AT_ONE_HOST)
    assert set(turns.due()) == set(honest)
    for turn in honest:
        turns.end(turn)
    of_a = [turn for turn in hanging if turn.host == "a"]
    for turn in of_a[MAX_HANGING:]:
        turns.end(turn)
    assert turns.due() == []
    turns.end(of_a[0])
    assert [turn.host for turn in turns.due()] == ["a"] * (MAX_AT_ONE_HOST - MAX_HANGING + 1)


def test_who_is_gone_is_not_dialled() -> None:
    turns = Turns()
    first, second = waiting(turns, "a", 2)
    turns.end(second)
    assert turns.due() == [first]
    turns.end(first)
    (last,) = waiting(turns, "a")
    turns.end(last)
    assert turns.due() == []
