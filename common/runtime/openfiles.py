"""How many files a daemon may have open, sockets among them, and that none is left."""

import asyncio
import contextlib
import errno
import logging
import os

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks whether a file can still be opened."""
TOLD_FOR = 60.0
"""Seconds for which the log does not say again that no file can be opened."""
_NO_FILE_LEFT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

MOST_OPEN = 65_536
"""Open files that are asked for, as in the units for systemd: far above what all bounds allow."""


def allow_open_files() -> None:
    """Raise this process's own limit on open files, as far as the system lets it.

    A shell begins with 1,024, for the sake of programs that call select(2): too few for all links
    that an overlay port may have.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):  # not everywhere, not so many
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class OpenFiles:
    """Tells when no file is left for a connection.

    asyncio hands the error of each accept to its handler; libuv closes such connections in
    silence, so that only a look of our own finds it out.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Prepare; `watch` begins to look."""
        self._loop = loop
        self._told_at = float("-inf")

    def watch(self) -> None:
        """Look now, and again every `LOOK_EVERY` seconds as long as the loop runs."""
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            self.take(error)
        self._loop.call_later(LOOK_EVERY, self.watch)

    def take(self, error: object) -> bool:
        """Return whether this error says that no file is left; log it, but only so often."""
        if not isinstance(error, OSError) or error.errno not in _NO_FILE_LEFT:
            return False
        if self._loop.time() - self._told_at >= TOLD_FOR:
            self._told_at = self._loop.time()
            log.error(
                "no connection can be taken for now: %s; close some, or allow more open files"
                " (LimitNOFILE in the unit, `ulimit -Hn` in a shell)",
                error.strerror,
            )
        return True
