"""The established TCP connections of a process, as `ss` sees them."""

import re
import subprocess

from tests.support.processes import Wrap

Pair = tuple[str, str]
"""Local and remote `address:port`."""

_LINE = re.compile(r"^\S+\s+\d+\s+\d+\s+(\S+)\s+(\S+)\s+users:\((.*)\)")
_SENT = re.compile(r"\bbytes_sent:(\d+)")


def bytes_sent(pid: int, wrap: Wrap = list) -> dict[Pair, int]:
    """Bytes that the process sent on each established TCP connection, retransmissions included."""
    argv = wrap(["ss", "-H", "-t", "-n", "-p", "-i", "-O", "state", "all"])
    result = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30)
    sent: dict[Pair, int] = {}
    for line in result.stdout.splitlines():
        found = _LINE.match(line)
        if found and line.startswith("ESTAB") and f"pid={pid}," in found[3]:
            count = _SENT.search(line)
            sent[found[1], found[2]] = int(count[1]) if count else 0
    return sent


def connections(pid: int, wrap: Wrap = list) -> set[Pair]:
    """Return the established TCP connections of the process."""
    return set(bytes_sent(pid, wrap))
