"""When a source that has failed is pulled again."""

import asyncio
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest

from common.errors import SourceError
from serverproxy.core.events import SourceSink
from serverproxy.net.source import source as source_module
from serverproxy.net.source.pull import Pull
from serverproxy.net.source.settings import SourceSettings
from serverproxy.net.source.source import Source

TRIES = 8


async def test_a_source_that_fails_is_pulled_again_after_pauses_that_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == TRIES:
            raise asyncio.CancelledError

    failing = create_autospec(Pull)
    failing.return_value.run.side_effect = SourceError("nobody is there")
    monkeypatch.setattr(source_module, "Pull", failing)
    monkeypatch.setattr(source_module, "asyncio", SimpleNamespace(sleep=sleep))
    settings = SourceSettings(url="rtsp://127.0.0.1/x", transport="tcp")
    source = Source(settings, create_autospec(SourceSink), channel="cam")
    with pytest.raises(asyncio.CancelledError):
        await source.run()
    assert source.stats.failures == TRIES
    for number, pause in enumerate(pauses):
        most = min(0.25 * 2**number, 5.0)
        assert most / 2 <= pause <= most
