"""What a connection of a player may do, and what it is told where it may not."""

import asyncio
import logging
from typing import NamedTuple

from common.rtsp.auth import MAX_WRONG, Guard
from common.rtsp.messages import Request, Response

log = logging.getLogger(__name__)

_WRONG_PASSWORD_PAUSE = 0.5
"""Seconds until who tries passwords may try the next one."""


class Terms(NamedTuple):
    """The terms of one connection."""

    guard: Guard | None = None
    """Who asks for a password."""

    @property
    def exhausted(self) -> bool:
        """Whether there were too many wrong passwords: the connection is to be closed."""
        return self.guard is not None and self.guard.wrong >= MAX_WRONG

    def admit(self, request: Request) -> None:
        """Take the credentials of the HTTP request that opens a tunnel."""
        if self.guard is not None:
            self.guard.admit(request)

    async def refusal(self, request: Request, host: str, now: float) -> Response | None:
        """Return what asks `host` for a password, where it gave none or a wrong one."""
        if self.guard is None or request.method == "OPTIONS":
            return None
        before = self.guard.wrong
        challenges = self.guard.challenges(request, now)
        if not challenges:
            return None
        if self.guard.wrong > before:
            log.warning("a player gave a wrong user name or password", extra={"peer": host})
            await asyncio.sleep(_WRONG_PASSWORD_PAUSE)
        return Response(401, tuple(("WWW-Authenticate", one) for one in challenges))
