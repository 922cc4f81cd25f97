"""What `clientproxy watch` says while it joins, and when it says it."""

from dataclasses import replace

import pytest

from clientproxy.commands.progress import Parent, Progress, Sight

NOTHING = Sight()
ROOT = Parent("root", "192.0.2.1:7854", 0.012)
HALF = Sight(node="n7-k3xz", parents=(ROOT, None), source_up=True)
WHOLE = replace(HALF, parents=(ROOT, Parent("n4-k3xz", "192.0.2.4:7855", 0.003)))
PLAYS = replace(WHOLE, delivered=True)
DOWN = "camera:554 refuses connections (since 10:41:07 UTC)"


@pytest.fixture
def progress() -> Progress:
    return Progress("studio:7854", "cam", 7855, 10.0)


def test_each_step_is_said_once_up_to_the_first_picture(progress: Progress) -> None:
    assert progress.see(NOTHING, 10.0) == ["reaching server proxy studio:7854 for channel cam"]
    assert progress.see(NOTHING, 10.1) == []
    assert progress.see(HALF, 10.2) == [
        "joined as n7",
        "stripe 0 from the server proxy, 192.0.2.1:7854 (12 ms)",
    ]
    assert progress.see(WHOLE, 10.3) == ["stripe 1 from n4, 192.0.2.4:7855 (3.0 ms)"]
    assert not progress.done
    assert progress.see(PLAYS, 10.4) == ["first picture after 400 ms"]
    assert progress.done


def test_another_round_trip_is_no_news_but_another_parent_is(progress: Progress) -> None:
    progress.see(WHOLE, 10.0)
    slower = (replace(ROOT, rtt=0.5), Parent("n5-k3xz", "192.0.2.5:7855", 0.001))
    assert progress.see(replace(WHOLE, parents=slower), 10.1) == [
        "stripe 1 from n5, 192.0.2.5:7855 (1.0 ms)"
    ]


def test_once_it_plays_only_what_is_in_the_way_is_said(progress: Progress) -> None:
    progress.see(PLAYS, 10.0)
    moved = replace(PLAYS, parents=(Parent("n9-k3xz", "192.0.2.9:7855", 0.0), ROOT))
    assert progress.see(moved, 11.0) == []
    assert progress.see(moved, 60.0) == []
    down = replace(moved, source_up=False, source_trouble=DOWN)
    assert progress.see(down, 61.0) == [f"the source does not play: {DOWN}; waiting for it"]
    assert progress.see(down, 70.0) == []
    assert progress.see(moved, 71.0) == ["the source plays"]


@pytest.mark.parametrize(
    ("sight", "words"),
    [
        (NOTHING, "still trying to join at studio:7854 (5 s)"),
        (HALF, "still looking for somebody who has a slot in stripe 1 (5 s)"),
        (WHOLE, "still waiting for the first picture (5 s)"),
        (replace(WHOLE, source_up=False), "still waiting for the source (5 s)"),
    ],
)
def test_nobody_waits_for_two_seconds_without_a_word(
    sight: Sight, words: str, progress: Progress
) -> None:
    progress.see(sight, 13.0)
    assert progress.see(sight, 14.9) == []
    assert progress.see(sight, 15.0) == [words]
    assert progress.see(sight, 16.9) == []
    assert len(progress.see(sight, 17.0)) == 1


def test_what_is_in_the_way_is_said_when_it_changes(progress: Progress) -> None:
    refuses, full = "server proxy studio:7854 refuses connections", "no slot is free"
    assert progress.see(replace(NOTHING, trouble=refuses), 10.0)[1:] == [f"{refuses}; trying again"]
    assert progress.see(replace(NOTHING, trouble=refuses), 10.1) == []
    assert progress.see(replace(NOTHING, trouble=full), 10.2) == [f"{full}; trying again"]
    joined = progress.see(HALF, 10.3)
    assert [line.partition(" ")[0] for line in joined] == ["joined", "stripe"]
    assert progress.see(replace(HALF, trouble=refuses), 10.4) == [f"{refuses}; trying again"]
    assert progress.see(HALF, 10.5) == ["the server proxy is there again"]


def test_bad_news_are_not_the_last_once_it_plays(progress: Progress) -> None:
    refuses = "server proxy studio:7854 refuses connections"
    progress.see(PLAYS, 10.0)
    assert progress.see(replace(PLAYS, trouble=refuses), 20.0) == [f"{refuses}; trying again"]
    assert progress.see(PLAYS, 30.0) == ["the server proxy is there again"]
    assert progress.see(PLAYS, 31.0) == []
    down = replace(PLAYS, source_up=False, source_trouble=DOWN)
    progress.see(replace(down, trouble=refuses), 40.0)
    assert progress.see(down, 41.0) == [f"the source does not play: {DOWN}; waiting for it"]
    assert progress.see(PLAYS, 42.0) == ["the source plays"]


def test_what_else_is_new_does_not_hide_that_the_server_proxy_is_there(progress: Progress) -> None:
    progress.see(PLAYS, 10.0)
    progress.see(replace(PLAYS, trouble="no answer"), 20.0)
    port, again = progress.see(replace(PLAYS, reachable=False), 30.0)
    assert port.startswith("no other node can reach this machine")
    assert again == "the server proxy is there again"


def test_who_cannot_be_reached_is_told_which_port_to_open(progress: Progress) -> None:
    """Once: and not before the server proxy can know."""
    alone = replace(PLAYS, reachable=False)
    assert len(progress.see(alone, 14.9)) == 5
    (line,) = progress.see(alone, 15.0)
    assert line.endswith("so it passes nothing on: open TCP port 7855 if you can")
    assert progress.see(alone, 60.0) == []


def test_half_a_stream_is_no_picture(progress: Progress) -> None:
    progress.see(replace(HALF, delivered=True), 10.0)
    assert not progress.done


def test_a_source_that_is_down_has_no_first_picture_whatever_came_before(
    progress: Progress,
) -> None:
    progress.see(replace(PLAYS, source_up=False, source_trouble=DOWN), 10.0)
    assert not progress.done
    assert progress.see(PLAYS, 12.0) == ["the source plays", "first picture after 2.0 s"]
