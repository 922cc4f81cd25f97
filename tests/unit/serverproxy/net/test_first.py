"""What the server proxy says of links that ask for a channel that there is not."""

import logging

import pytest

from common.codec import encode_message
from common.fewlines import MAX_KNOWN
from common.ids import Address
from common.messages import VERSION, Join, Refused
from common.refusals import NO_CHANNEL
from serverproxy.net.first import TOLD_FOR, FirstMessage
from tests.support.noted import Clock, NotedLink


def ask(first: FirstMessage, channel: str, host: str = "192.0.2.1") -> None:
    """Ask for a channel as a node does."""
    link = NotedLink()
    link.peer = Address(host, 40000)
    join = Join(version=VERSION, channel=channel, port=1, nonce="n" * 16, sent_us=0)
    first.message(link, encode_message(join)[6:])
    (refused,) = link.messages
    assert isinstance(refused, Refused)
    assert (refused.reason, link.why) == ("unknown_channel", "unknown_channel")


async def test_who_asks_again_and_again_is_told_each_time_and_the_log_seldom(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock, first = Clock(monkeypatch), FirstMessage({})
    for _ in range(3):
        ask(first, "cam")
        ask(first, "nope")
        ask(first, "cam", "192.0.2.2")
    said = [(vars(one)["channel"], vars(one)["peer"]) for one in caplog.records]
    assert said == [
        ("cam", "192.0.2.1:40000"),
        ("nope", "192.0.2.1:40000"),
        ("cam", "192.0.2.2:40000"),
    ]
    clock.go(TOLD_FOR)
    ask(first, "cam")
    assert len(caplog.records) == 4


async def test_the_question_which_channels_there_are_is_no_news(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`clientproxy doctor` asks it, and is answered by a refusal."""
    caplog.set_level(logging.INFO)
    Clock(monkeypatch)
    ask(FirstMessage({}), NO_CHANNEL)
    assert not caplog.records


async def test_what_was_said_is_remembered_of_so_many_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks for ever other names pushes the first ones out."""
    caplog.set_level(logging.INFO)
    Clock(monkeypatch)
    first = FirstMessage({})
    for number in range(MAX_KNOWN + 1):
        ask(first, f"c{number}")
    caplog.clear()
    ask(first, f"c{MAX_KNOWN}")
    assert not caplog.records
    ask(first, "c0")
    assert len(caplog.records) == 1
