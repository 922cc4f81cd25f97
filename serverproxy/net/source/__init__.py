"""Sources: RTSP servers that are pulled, and the test card."""

from serverproxy.core import testcardurl
from serverproxy.core.events import SourceSink
from serverproxy.net.source.settings import SourceSettings
from serverproxy.net.source.source import Source
from serverproxy.net.testcard import TestCard

__all__ = ["Source", "SourceSettings", "TestCard", "create"]


def create(settings: SourceSettings, sink: SourceSink, *, channel: str) -> Source | TestCard:
    """Make the source that an URL means: `rtsp://`, `rtsps://` or `testcard:`.

    Raises ValueError with a sentence for any other URL and for settings that cannot work.
    """
    if settings.url.startswith(testcardurl.SCHEME):
        return TestCard(settings.url, sink, channel=channel)
    return Source(settings, sink, channel=channel)
