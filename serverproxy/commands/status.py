"""`serverproxy status`: what the server proxy on this machine does."""

import argparse
from contextlib import suppress
from urllib.parse import quote

from common.ids import Address
from common.runtime.ask import Api, MissingError
from common.runtime.status import show_status
from common.runtime.table import Line
from serverproxy.commands.statusview import Channel, Look, Status, lines
from serverproxy.config import HTTP_PORT

MOST_DETAILED = 8
"""Channels whose nodes are shown; --json has those of all."""

_STATUS = "/api/v1/status"


class _View:
    """`status.View` of a server proxy: two looks, for the rates between them."""

    looks = 2

    def __init__(self) -> None:
        self._now: Look | None = None
        self._before: Look | None = None

    def look(self, api: Api, at: float) -> None:
        status = api.ask(_STATUS, Status)
        names = [one.name for one in status.channels if one.nodes][:MOST_DETAILED]
        channels: dict[str, Channel] = {}
        for name in names:
            with suppress(MissingError):  # closed since
                channels[name] = api.ask(_path(name), Channel)
        self._before, self._now = self._now, Look(at, status, channels)

    def lines(self, width: int, height: int | None) -> list[Line]:
        return [] if self._now is None else lines(self._now, self._before, width, height)

    def document(self, api: Api) -> dict[str, object]:
        document = api.ask(_STATUS, dict[str, object])
        names = [one.name for one in api.ask(_STATUS, Status).channels]
        channels: list[object] = []
        for name in names:
            with suppress(MissingError):  # closed since
                channels.append(api.ask(_path(name), dict[str, object]))
        document["channels"] = channels
        return document


def status(args: argparse.Namespace) -> int:
    """Do the command; return its exit code. Raises ConfigError."""
    return show_status("serverproxy", _View(), args, Address("127.0.0.1", HTTP_PORT))


def _path(channel: str) -> str:
    return f"/api/v1/channels/{quote(channel, safe='')}"
