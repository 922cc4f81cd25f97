"""When the link to the server proxy is given up, to be made anew."""

import asyncio
from unittest.mock import AsyncMock, create_autospec

import pytest

from clientproxy.net import control
from clientproxy.net.control import SILENT_AFTER, ControlLink, Member
from common.codec import encode_message
from common.ids import Address
from common.messages import Leave, Refused
from common.runtime.tasks import Tasks
from tests.support.noted import NotedLink


@pytest.mark.parametrize(("seconds", "why"), [(-0.01, None), (0.01, "silent")])
async def test_a_server_proxy_that_says_nothing_for_ten_seconds_is_left(
    seconds: float, why: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its host may be dead: no end of the connection comes from there."""
    link, tasks = NotedLink(), Tasks()
    monkeypatch.setattr(control, "connect", AsyncMock(return_value=link))
    member = create_autospec(Member)
    member.join_request.return_value = Leave()  # any message will do
    one = ControlLink("cam", Address("server", 7854), member)
    tasks.spawn(one.run(), name="control")
    for _ in range(5):
        await asyncio.sleep(0)
    assert link.messages
    one.tick(link.heard + SILENT_AFTER + seconds)
    assert link.why == why
    await tasks.close()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("bad_request", "server:7854 speaks another protocol: is 7854 the port of a server proxy?"),
        (
            "closed",
            "server:7854 closes links without an answer: either it takes no more connections for"
            " now, as its log then says, or 7854 is not the port of a server proxy",
        ),
    ],
)
async def test_who_is_no_server_proxy_is_named(
    reason: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, tasks = NotedLink(), Tasks()
    monkeypatch.setattr(control, "connect", AsyncMock(return_value=link))
    member = create_autospec(Member)
    member.join_request.return_value = Leave()
    one = ControlLink("cam", Address("server", 7854), member)
    tasks.spawn(one.run(), name="control")
    for _ in range(5):
        await asyncio.sleep(0)
    one.lost(link, reason)
    (told,) = member.refused.call_args.args
    assert told.status == 503
    assert words in told.why
    await tasks.close()


@pytest.mark.parametrize(("reason", "kicked"), [("kicked", 1), ("full", 0)])
async def test_who_is_refused_as_kicked_has_been_sent_away(
    reason: str, kicked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, tasks = NotedLink(), Tasks()
    monkeypatch.setattr(control, "connect", AsyncMock(return_value=link))
    member = create_autospec(Member)
    member.join_request.return_value = Leave()
    one = ControlLink("cam", Address("server", 7854), member)
    tasks.spawn(one.run(), name="control")
    for _ in range(5):
        await asyncio.sleep(0)
    one.message(link, encode_message(Refused(reason=reason, sentence="make room"))[6:])
    assert member.kicked.call_count == kicked
    await tasks.close()


async def test_a_refusal_is_told_once_in_the_words_of_the_server_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link, tasks = NotedLink(), Tasks()
    monkeypatch.setattr(control, "connect", AsyncMock(return_value=link))
    member = create_autospec(Member)
    member.join_request.return_value = Leave()
    one = ControlLink("cam", Address("server", 7854), member)
    tasks.spawn(one.run(), name="control")
    for _ in range(5):
        await asyncio.sleep(0)
    one.message(link, encode_message(Refused(reason="full", sentence="no slot is free"))[6:])
    one.lost(link, "full")
    (told,) = member.refused.call_args.args
    assert member.refused.call_count == 1
    assert told.status == 453
    assert told.why == "server proxy server:7854 refused channel cam: no slot is free"
    await tasks.close()
