"""What the root of the trees takes over from an earlier server process."""

import pytest

from serverproxy.config import ChannelConfig
from serverproxy.net.feed import ChannelFeed
from tests.support.noted import Clock


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> ChannelFeed:
    Clock(monkeypatch)
    config = ChannelConfig.model_validate({"source": "rtsp://127.0.0.1/none"})
    return ChannelFeed("cam", config, instance_us=1_000_000)


def test_the_group_key_of_the_process_before_goes_on(feed: ChannelFeed) -> None:
    """Else its nodes, which know that one, would not take each other's children."""
    assert not feed.accepts("before")
    feed.adopt("before")
    assert feed.group_key == "before"
    assert feed.accepts("before")


def test_one_key_goes_on_and_few_others_are_good_too(feed: ChannelFeed) -> None:
    for key in ("before", "before", "another", "third", "fourth"):
        feed.adopt(key)
    assert feed.group_key == "before"
    known = [feed.accepts(key) for key in ("before", "another", "third", "fourth")]
    assert known == [True, True, True, False]


def test_no_key_goes_on_once_a_node_has_been_given_one(feed: ChannelFeed) -> None:
    """That node would know none but its own. Who is not back yet is a child all the same."""
    own = feed.group_key
    feed.keep_key()
    feed.adopt("before")
    assert feed.group_key == own
    assert feed.accepts("before")


def test_why_the_source_does_not_play_and_since_when(
    feed: ChannelFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([7_200_000_000, 7_260_000_000, 9_000_000_000])
    monkeypatch.setattr(feed, "now_us", lambda: next(clock))
    assert feed.trouble == "not connected yet (since 00:00:01 UTC)"
    feed.source_down("camera:554 refuses connections")
    assert feed.trouble == "camera:554 refuses connections (since 00:00:01 UTC)"
    feed.up = True
    assert feed.trouble == ""
    feed.source_down("no answer")
    feed.source_down("no route")  # still down, for another reason
    assert feed.trouble == "no route (since 02:00:00 UTC)"
    feed.source_down("x" * 5000)
    assert len(feed.trouble) <= 1000
