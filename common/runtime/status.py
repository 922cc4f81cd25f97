"""The command `status` of both daemons: a picture that is drawn again each second, or once.

Rules
-----
1. On a terminal it goes on until Ctrl-C, which ends it with 0; `once`, or where nobody watches, one
   picture is printed.
2. A daemon that does not answer at first is one sentence and exit code 1; one that is gone later
   is waited for.
"""

import argparse
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from common.ids import Address
from common.runtime import output
from common.runtime.ask import Api, AskError, where
from common.runtime.daemon import ENDED, FAILED
from common.runtime.screen import Screen
from common.runtime.table import Line, fitted, wrapped
from common.words import escaped_json

EVERY = 1.0
"""Seconds between two looks."""


class View(Protocol):
    """What is shown of one daemon."""

    looks: int
    """How many a picture takes: two where it has rates."""

    def look(self, api: Api, at: float) -> None:
        """Ask the daemon once more, at `at` of a monotonic clock. Raises AskError."""

    def lines(self, width: int, height: int | None) -> list[Line]:
        """Return what to show, fitted."""

    def document(self, api: Api) -> dict[str, object]:
        """Return all that the daemon says, for `--json`. Raises AskError."""


def show_status(program: str, view: View, args: argparse.Namespace, default: Address) -> int:
    """Do `status` with its arguments (`cli.add_status`); return the exit code.

    Raises ConfigError where the address is none, OutputError.
    """
    api = Api(program, where(args.http, args.config, default))
    try:
        api.check()
        if args.json:
            document = msgspec.json.encode(view.document(api)).decode()
            output.write(escaped_json(document) + "\n")
            return ENDED
        _show(view, api, Screen(), once=args.once)
    except AskError as error:
        output.complain(str(error))
        return FAILED
    return ENDED


def _show(
    view: View,
    api: Api,
    screen: Screen,
    *,
    once: bool,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    view.look(api, clock())
    if once or not screen.is_terminal:
        for _ in range(view.looks - 1):
            sleep(EVERY)
            view.look(api, clock())
        screen.show(view.lines(*screen.size))
        return
    with screen:
        screen.show(view.lines(*screen.size))
        while True:  # Ctrl-C ends it (`daemon.end_quietly`)
            sleep(EVERY)
            try:
                view.look(api, clock())
            except AskError as error:
                width, height = screen.size
                again = Line("Asking again; Ctrl-C ends this.")
                screen.show(fitted([*wrapped(str(error), width, "bad"), again], width, height))
            else:
                screen.show(view.lines(*screen.size))
