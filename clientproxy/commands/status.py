"""`clientproxy status`: what the client proxy on this machine does."""

import argparse

from clientproxy.commands.statusview import Status, lines
from clientproxy.config import HTTP_PORT
from common.ids import Address
from common.runtime.ask import Api
from common.runtime.status import show_status
from common.runtime.table import Line

_STATUS = "/api/v1/status"


class _View:
    """`status.View` of a client proxy."""

    looks = 1

    def __init__(self) -> None:
        self._now: Status | None = None

    def look(self, api: Api, at: float) -> None:
        self._now = api.ask(_STATUS, Status)

    def lines(self, width: int, height: int | None) -> list[Line]:
        return [] if self._now is None else lines(self._now, width, height)

    def document(self, api: Api) -> dict[str, object]:
        return api.ask(_STATUS, dict[str, object])


def status(args: argparse.Namespace) -> int:
    """Do the command; return its exit code. Raises ConfigError."""
    return show_status("clientproxy", _View(), args, Address("127.0.0.1", HTTP_PORT))
