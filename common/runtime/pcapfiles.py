"""The files of a capture: FILE is written, FILE.1 is the one before, and so on up to a bound.

All of it is disk I/O, for a thread.

Rules
-----
1. A file without packets is not kept: a source that is down does not push recordings out.
2. Each file is a new one, for its owner only, whatever was there.
3. One process writes a file: it holds a lock as long, and another is refused.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from itertools import pairwise

from common.runtime.faults import quoted
from common.runtime.pcap import FILE_HEADER_BYTES, Chunk

_MODE = 0o600
"""For its owner only: a capture holds the picture of the camera."""


def writable(path: str) -> str:
    """Return the path of a file that could be written; raise ValueError with a sentence."""
    folder = os.path.dirname(path) or "."
    if "\0" in path:
        why = "it is no path"
    elif os.path.lexists(path) and not os.path.isfile(path):
        why = "it is there and no regular file"
    elif not os.path.isdir(folder):
        why = f"there is no folder {quoted(folder)}"
    elif not os.access(folder, os.W_OK | os.X_OK):
        why = f"the folder {quoted(folder)} may not be written to"
    else:
        return path
    raise ValueError(
        f"{quoted(path)} cannot be written: {why}; write the path of a file in a folder that this"
        " daemon may write to"
    )


class PcapFiles:
    """Writes chunks, each as soon as it comes, so that a file can be read while it grows."""

    def __init__(self, path: str, most: int) -> None:
        """Keep at most so many files; none is opened before the first chunk."""
        self._path, self._most = path, most
        self._file: int | None = None

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write; where that cannot be done whole, leave whole records and raise OSError."""
        for chunk in chunks:
            if chunk.begins:
                self._begin()
            if self._file is not None:
                _write(self._file, chunk.data)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _begin(self) -> None:
        self.close()
        self._put_away()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._file = os.open(self._path, flags, _MODE)
        _hold(self._file, self._path)

    def _put_away(self) -> None:
        """Keep what an earlier process or file left under another name; drop it if it is empty."""
        try:
            before = os.open(self._path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        try:
            if not stat.S_ISREG(os.fstat(before).st_mode):
                raise OSError(errno.EINVAL, "it is there and no regular file")
            _hold(before, self._path)
            if os.fstat(before).st_size > FILE_HEADER_BYTES and self._most > 1:
                self._make_room()
            else:
                os.unlink(self._path)
        finally:
            os.close(before)

    def _make_room(self) -> None:
        """Give each file the next number; the oldest goes."""
        names = [self._path, *(f"{self._path}.{number}" for number in range(1, self._most))]
        for name, older in reversed(list(pairwise(names))):
            with contextlib.suppress(FileNotFoundError):
                os.replace(name, older)


def _hold(file: int, path: str) -> None:
    """Lock a file; raise OSError where another process has it, or had and moved it just now."""
    import fcntl  # not everywhere, and only captures need it

    busy = False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        busy = True
    except OSError:
        return  # a file system without locks
    if busy or not os.path.samestat(os.fstat(file), os.lstat(path)):
        raise OSError(errno.EBUSY, "another process writes its capture there")


def _write(file: int, data: bytes) -> None:
    before, rest = os.lseek(file, 0, os.SEEK_CUR), memoryview(data)
    try:
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, before)
        raise
