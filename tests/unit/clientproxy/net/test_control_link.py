"""When the link to the server proxy is given up, to be made anew."""

import asyncio
from unittest.mock import AsyncMock, create_autospec

import pytest

from clientproxy.net import control
from clientproxy.net.control import SILENT_AFTER, ControlLink, Member
from common.ids import Address
from common.messages import Leave
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
