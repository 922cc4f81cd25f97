"""Signs of life to a source, so that it keeps the session (RFC 2326, 12.37)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from common.errors import SourceError
from serverproxy.net.source.faults import NoAnswerError, StatusError

log = logging.getLogger(__name__)

_NO_SESSION = 454


async def keep_alive(
    ask: Callable[[str], Awaitable[object]],
    plays: Callable[[], bool],
    *,
    method: str,
    interval: float,
) -> str:
    """Ask every `interval` seconds until the session is lost; return why it is.

    `ask` sends a request of a method, `plays` says whether RTP flows: where it does, a server that
    leaves keep-alives unanswered is lived with. One that refuses them is asked by OPTIONS.
    """
    loop = asyncio.get_running_loop()
    told = False
    due = loop.time()
    while True:
        due = max(due + interval, loop.time())
        await asyncio.sleep(due - loop.time())
        try:
            await ask(method)
            continue
        except StatusError as error:
            why, lost = str(error), error.status == _NO_SESSION
        except NoAnswerError as error:
            why, lost = str(error), not plays()
        except SourceError as error:
            why, lost = str(error), True
        if lost:
            return f"keep-alive failed: {why}"
        if not told:
            log.warning("keep-alive failed, the session goes on: %s", why)
        told, method = True, "OPTIONS"
