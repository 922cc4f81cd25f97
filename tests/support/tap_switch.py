"""`python -m tests.support.tap_switch SPEC`: hosts in network namespaces on a switch in user space.

SPEC is JSON: prefix, subnet ("10.77.3"), hosts, links {host: link}. Prints READY. Standard input:
one JSON line per changed link, {"host": 2, "link": {…}}. Its end, or SIGTERM, removes everything.
The kernel needs no netem. Good for some 10,000 packets a second.
"""

import contextlib
import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping

_TUNSETIFF = 0x400454CA
_TAP_NO_HEADER = 0x0002 | 0x1000
_QUEUE = 0.2
"""Seconds that a link with a rate holds before it drops."""
ROOT_HOST = 254

Link = Mapping[str, float]
"""delay, jitter (seconds, each way), loss (share), rate (bit/s)."""


class Switch:
    """Ethernet switch that delays and drops on each host's link, in both directions."""

    def __init__(self, prefix: str, subnet: str, hosts: int) -> None:
        self.prefix, self.subnet, self.hosts = prefix, subnet, hosts
        self.links: dict[int, Link] = {}
        self.host_of: dict[int, int] = {}
        self.seat_of: dict[bytes, int] = {}
        self.waiting: list[tuple[float, int, int, bytes]] = []
        self.free_at: dict[tuple[int, str], float] = {}
        self.count = 0

    def _open(self, name: str, host: int) -> None:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP_NO_HEADER))
        self.host_of[tap] = host

    def up(self) -> None:
        """Make namespaces and devices."""
        for host in range(1, self.hosts + 1):
            space, device = f"{self.prefix}{host}", f"{self.prefix}v{host}"
            ip("netns", "add", space)
            self._open(device, host)
            ip("link", "set", device, "netns", space, "name", "eth0")
            ip("-n", space, "link", "set", "lo", "up")
            ip("-n", space, "addr", "add", f"{self.subnet}.{host}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
        device = f"{self.prefix}root"
        self._open(device, ROOT_HOST)
        ip("addr", "add", f"{self.subnet}.{ROOT_HOST}/24", "dev", device)
        ip("link", "set", device, "up")

    def down(self) -> None:
        """Remove them; the devices go with their descriptors."""
        for tap in self.host_of:
            os.close(tap)
        for host in range(1, self.hosts + 1):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", f"{self.prefix}{host}")

    def passed(self, host: int, way: str, at: float, size: int) -> float | None:
        """Return when a frame that enters the link at `at` leaves it; None: lost."""
        link = self.links.get(host)
        if not link:
            return at
        if random.random() < link.get("loss", 0):
            return None
        if rate := link.get("rate", 0):
            begin = max(self.free_at.get((host, way), 0.0), at)
            if begin - at > _QUEUE:
                return None
            at = self.free_at[host, way] = begin + size * 8 / rate
        return at + max(0.0, link.get("delay", 0) + random.uniform(-1, 1) * link.get("jitter", 0))

    def take(self, tap: int) -> None:
        """Read frames of one host and put them on their way."""
        source = self.host_of[tap]
        for _ in range(64):
            try:
                frame = os.read(tap, 65536)
            except BlockingIOError:
                return
            now = time.monotonic()
            self.seat_of[frame[6:12]] = tap
            known = None if frame[0] & 1 else self.seat_of.get(frame[:6])
            for seat in [known] if known is not None else [t for t in self.host_of if t != tap]:
                up = self.passed(source, "up", now, len(frame))
                down = (
                    None if up is None else self.passed(self.host_of[seat], "down", up, len(frame))
                )
                if down is not None:
                    self.count += 1
                    heapq.heappush(self.waiting, (down, self.count, seat, frame))

    def deliver(self) -> None:
        """Write what is due."""
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, seat, frame = heapq.heappop(self.waiting)
            with contextlib.suppress(OSError):
                os.write(seat, frame)

    def run(self) -> None:
        """Switch until standard input ends."""
        poll = select.poll()
        for descriptor in (0, *self.host_of):
            poll.register(descriptor, select.POLLIN)
        rest = b""
        while True:
            wait = self.waiting[0][0] - time.monotonic() if self.waiting else 0.05
            for descriptor, _ in poll.poll(max(0.0, wait * 1000)):
                if descriptor:
                    self.take(descriptor)
                    continue
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    change = json.loads(line)
                    self.links[change["host"]] = change["link"]
                    print("SET", change["host"], flush=True)
            self.deliver()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


def main() -> None:
    spec = json.loads(sys.argv[1])
    switch = Switch(spec["prefix"], spec["subnet"], spec["hosts"])
    switch.links = {int(host): link for host, link in spec["links"].items()}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        switch.up()
        print("READY", flush=True)
        switch.run()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        switch.down()


if __name__ == "__main__":
    main()
