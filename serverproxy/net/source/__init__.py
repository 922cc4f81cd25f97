"""Sources: RTSP servers that are pulled."""

from serverproxy.net.source.settings import SourceSettings
from serverproxy.net.source.source import Source

__all__ = ["Source", "SourceSettings"]
