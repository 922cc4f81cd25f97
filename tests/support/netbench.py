"""Hosts on a bridge of the kernel, at full speed; cables are pulled and packet filters set.

    with Hosts(tmp_path, 12) as hosts:
        ServerProxy(..., host=hosts.address(1), wrap=hosts.wrap(1))
        hosts.set(2, "cut")

The test itself sits at `hosts.address(ROOT)`. For delay, jitter and loss: `tests.support.netns`.
`python -m tests.support.netbench SPEC` is the process that makes them, and removes them when its
standard input ends.
"""

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal, Self, get_args

from tests.support.installed import skip_unless_installed, skip_unless_namespaces
from tests.support.netns import ROOT, claimed
from tests.support.processes import BenchError, Process, Wrap
from tests.support.sources import ROOT as PROJECT

Cable = Literal["whole", "cut", "mute", "deaf", "pulled"]
"""cut: nothing passes, silently, as behind a switch that has died. mute: nothing leaves the host.
deaf: nothing reaches it. pulled: the host's own network card sees that the cable is out."""

_DROPS = {"whole": (), "cut": ("up", "down"), "mute": ("up",), "deaf": ("down",), "pulled": ()}


class Hosts:
    """Network namespaces on a bridge; gone when the process that made them ends."""

    def __init__(self, folder: Path, count: int) -> None:
        skip_unless_namespaces()
        skip_unless_installed("nft", "tc")
        self.count = count
        self._lock, number = claimed()
        self._spec = {"prefix": f"sc{number}n", "subnet": f"10.77.{number}", "hosts": count}
        argv = [sys.executable, "-m", "tests.support.netbench", json.dumps(self._spec)]
        self._keeper = Process(argv, folder / "hosts.log", {"PYTHONPATH": str(PROJECT)})

    def address(self, host: int) -> str:
        """IP address of host 1… or of ROOT."""
        return f"{self._spec['subnet']}.{host}"

    def namespace(self, host: int) -> str:
        """Return the name of a host's network namespace."""
        if not 1 <= host <= self.count:
            raise BenchError(f"there is no host {host}")
        return f"{self._spec['prefix']}{host}"

    def wrap(self, host: int) -> Wrap:
        """Return what makes a command line run on that host."""
        name = self.namespace(host)
        return lambda argv: ["ip", "netns", "exec", name, *argv]

    def set(self, host: int, cable: Cable) -> None:
        """Change a cable; returns when it holds."""
        self._keeper.write(json.dumps({"host": host, "cable": cable}))
        self._keeper.expect(f"^SET {host}$", 10)

    def limit(self, host: int, *, up: int = 0, down: int = 0) -> None:
        """Let no more than so many bit/s leave a host, or reach it; 0.4 s of it may queue."""
        port = f"{self._spec['prefix']}v{host}"
        for rate, device in ((up, ["-n", self.namespace(host), "eth0"]), (down, [port])):
            if rate:
                shape = ["root", "tbf", "rate", f"{rate}bit", "burst", "16k", "latency", "400ms"]
                _run("tc", *device[:-1], "qdisc", "replace", "dev", device[-1], *shape)

    def block(self, host: int, port: int) -> None:
        """Let no connection to a TCP port of a host in: its firewall drops them silently."""
        rule = f"type filter hook input priority 0; tcp dport {port} drop;"
        text = f"table inet firewall{port} {{\nchain input {{\n{rule}\n}}\n}}\n"
        _run(*_inside(self.namespace(host)), "nft", "-f", "-", text=text)

    def __enter__(self) -> Self:
        try:
            self._keeper.expect("^READY$", 60)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove everything."""
        self._keeper.terminate(30.0)
        self._lock.close()


class _Keeper:
    """Makes bridge, namespaces and filters, and removes them."""

    def __init__(self, prefix: str, subnet: str, hosts: int) -> None:
        self.prefix, self.subnet, self.hosts = prefix, subnet, hosts

    def up(self) -> None:
        bridge = f"{self.prefix}br"
        _run("ip", "link", "add", bridge, "type", "bridge")
        _run("ip", "addr", "add", f"{self.subnet}.{ROOT}/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
        for host in range(1, self.hosts + 1):
            space, port = f"{self.prefix}{host}", f"{self.prefix}v{host}"
            _run("ip", "netns", "add", space)
            peer = ["type", "veth", "peer", "name", "eth0", "netns", space]
            _run("ip", "link", "add", port, *peer)
            _run("ip", "link", "set", port, "master", bridge, "up")
            lines = [
                "link set lo up",
                f"addr add {self.subnet}.{host}/24 dev eth0",
                "link set eth0 up",
            ]
            _run("ip", "-n", space, "-batch", "-", text="\n".join(lines))

    def set(self, host: int, cable: Cable) -> None:
        """Drop at the ingress of each end of the pair: neither side's sockets see an error."""
        space, port = f"{self.prefix}{host}", f"{self.prefix}v{host}"
        _run("ip", "link", "set", port, "down" if cable == "pulled" else "up")
        for way, device, inside in (("up", port, []), ("down", "eth0", _inside(space))):
            table = f"netdev {self.prefix}{host}{way}"
            with contextlib.suppress(subprocess.CalledProcessError):  # there was none
                _run(*inside, "nft", "delete", "table", *table.split())
            if way in _DROPS[cable]:
                hook = f'type filter hook ingress device "{device}" priority 0; policy drop;'
                text = f"table {table} {{\nchain frames {{\n{hook}\n}}\n}}\n"
                _run(*inside, "nft", "-f", "-", text=text)

    def down(self) -> None:
        """Remove all; a namespace outlives its name while a process is in it, not its cable."""
        for host in range(1, self.hosts + 1):
            name = f"{self.prefix}{host}"
            for words in (f"nft delete table netdev {name}up", f"ip netns del {name}"):
                with contextlib.suppress(subprocess.CalledProcessError):
                    _run(*words.split())
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("ip", "link", "del", f"{self.prefix}v{host}")
        with contextlib.suppress(subprocess.CalledProcessError):
            _run("ip", "link", "del", f"{self.prefix}br")


def _inside(space: str) -> list[str]:
    return ["ip", "netns", "exec", space]


def _run(*argv: str, text: str = "") -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=30, input=text.encode())


def main() -> None:
    keeper = _Keeper(**json.loads(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        keeper.up()
        print("READY", flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            assert order["cable"] in get_args(Cable)
            keeper.set(order["host"], order["cable"])
            print("SET", order["host"], flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        keeper.down()


if __name__ == "__main__":
    main()
