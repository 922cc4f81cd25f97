"""Signs of life to a source, so that it keeps the session (RFC 2326, 12.37)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from common.errors import SourceError
from serverproxy.net.source.faults import NoAnswerError, StatusError

log = logging.getLogger(__name__)

_NO_SESSION = 454
_SPARE = "OPTIONS"
"""The method that every server has to know (RFC 2326, 10.1)."""


async def keep_alive(
    ask: Callable[[str], Awaitable[object]],
    plays: Callable[[], bool],
    *,
    method: str,
    interval: float,
    channel: str,
) -> str:
    """Ask every `interval` seconds until the session is lost; return why it is.

    `ask` sends a request of a method, `plays` says whether RTP flows: where it does, a server that
    leaves them unanswered is lived with. After the first that fails OPTIONS goes out at
    once, since the server may count nothing else before the session's timeout.
    """
    loop = asyncio.get_running_loop()
    told = False
    due = loop.time()
    while True:
        due = max(due + interval, loop.time())
        await asyncio.sleep(due - loop.time())
        try:
            async with asyncio.timeout(interval / 2):
                await ask(method)
            continue
        except StatusError as error:
            why, lost = str(error), error.status == _NO_SESSION
        except (NoAnswerError, TimeoutError):
            why, lost = f"the source does not answer {method}", not plays()
        except SourceError as error:
            why, lost = str(error), True
        if lost:
            return f"keep-alive failed: {why}"
        if not told:
            text = "keep-alive failed, the session goes on: %s"
            log.warning(text, why, extra={"channel": channel})
        if method != _SPARE:
            due = loop.time() - interval
        told, method = True, _SPARE
