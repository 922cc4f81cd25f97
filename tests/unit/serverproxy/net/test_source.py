"""When a source that has failed is pulled again."""

import asyncio
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest

from common.errors import SourceError
from serverproxy.config import ChannelConfig
from serverproxy.core.events import SourceSink
from serverproxy.net.source import source as source_module
from serverproxy.net.source.pull import Pull
from serverproxy.net.source.settings import SourceSettings
from serverproxy.net.source.source import Source

TRIES = 8


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each pause was: sources fail at once, and the last try is cancelled."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)
        if len(found) == TRIES:
            raise asyncio.CancelledError

    failing = create_autospec(Pull)
    failing.return_value.run.side_effect = SourceError("nobody is there")
    monkeypatch.setattr(source_module, "Pull", failing)
    monkeypatch.setattr(source_module, "asyncio", SimpleNamespace(sleep=sleep))
    return found


async def run(settings: SourceSettings) -> Source:
    source = Source(settings, create_autospec(SourceSink), channel="cam")
    with pytest.raises(asyncio.CancelledError):
        await source.run()
    return source


async def test_a_source_that_fails_is_pulled_again_after_pauses_that_grow(
    pauses: list[float],
) -> None:
    source = await run(SourceSettings(url="rtsp://127.0.0.1/x", transport="tcp"))
    assert source.stats.failures == TRIES
    for number, pause in enumerate(pauses):
        most = min(0.25 * 2**number, 5.0)
        assert most / 2 <= pause <= most


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://ali:sEcret@127.0.0.1:1/live", "rtsp://***@127.0.0.1:1/live"),
        ("rtsp://ali@127.0.0.1:1/live", "rtsp://***@127.0.0.1:1/live"),
        ("rtsp://127.0.0.1:1/live", "rtsp://127.0.0.1:1/live"),
    ],
)
async def test_the_log_shows_that_there_are_credentials_and_none_of_them(
    source: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As a channel is configured: its credentials have left the URL."""
    config = ChannelConfig(source=source)
    await run(SourceSettings(url=config.source, username=config.username))
    assert f"source {shown}: nobody is there; trying again" in caplog.text
    assert "ali" not in caplog.text
    assert "sEcret" not in caplog.text
