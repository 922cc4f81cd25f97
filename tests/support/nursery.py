"""Daemons that are forked from a process which has imported everything already.

    with shared():
        server = ServerProxy(...)

Each is a process of its own, with its own session, log and ports; only the 0.8 s of CPU that the
imports take are spent once, for all tests of a session. So a hundred can be started, and one can
join while stalls of some milliseconds are measured on the same machine. A daemon that is made with
`fresh=True` is `python -m` from the beginning, and ends as that does.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import select
import selectors
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.support.processes import LAUNCHED, BenchError, Child, Process, Wrap
from tests.support.sources import ROOT

_CLONE_NEWNET = 0x40000000
_MOST_BYTES = 65536
_MOST_DESCRIPTORS = 4096
_NETNS = ["ip", "netns", "exec"]
_PROGRAMS = ("serverproxy", "clientproxy")
_IMPORTED = [f"{one}.{name}" for one in _PROGRAMS for name in ("__main__", "commandline", "app")]
_OPTIONAL = ("serverproxy.net.testencoder", "uvloop")
_STARTS_WITHIN = 120.0
_AT_HAND: "list[Nursery]" = []
_UNKNOWN = -1
"""Exit code of a process whose nursery has ended before it."""


def enter(namespace: str) -> None:
    """Move the calling thread into a network namespace: the sockets it makes are in there."""
    with Path(f"/run/netns/{namespace}").open() as file:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(file.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def namespace_of(wrap: Wrap) -> str:
    """Return the namespace in which `wrap` runs a command; "": the test's own."""
    argv = wrap([])
    return argv[len(_NETNS)] if argv[: len(_NETNS)] == _NETNS else ""


class Nursery(Process):
    """The process that forks; end all that it has forked before it."""

    def __init__(self, folder: Path) -> None:
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(_STARTS_WITHIN)
        argv = [sys.executable, "-m", "tests.support.nursery", str(self._theirs.fileno())]
        super().__init__(argv, folder / "nursery.log", {"PYTHONPATH": str(ROOT)})
        self._theirs.close()

    def launch(self, env: Mapping[str, str]) -> Child:
        return subprocess.Popen(
            self.argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            start_new_session=True,
            pass_fds=[self._theirs.fileno()],
        )

    def bear(self, argv: Sequence[str], env: Mapping[str, str]) -> Child:
        """Fork `python -m PROGRAM …`; `ip netns exec NAME` may stand before it."""
        namespace = namespace_of(lambda _: list(argv))
        if namespace:
            argv = argv[len(_NETNS) + 1 :]
        order = {
            "program": argv[2],
            "argv": list(argv[3:]),
            "env": {**os.environ, **env},
            "cwd": os.getcwd(),
            "namespace": namespace,
        }
        output, status = os.pipe(), os.pipe()
        theirs = [output[1], status[1]]
        socket.send_fds(self._ours, [json.dumps(order).encode()], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        try:
            answer = self._ours.recv(_MOST_BYTES)
        except TimeoutError:
            answer = b""
        if not answer:
            raise BenchError(f"{self} forks nothing:\n{self.tail()}")
        return _Born(int(answer), os.fdopen(output[0], "rb"), os.fdopen(status[0], "rb"))

    def _finished(self) -> None:
        super()._finished()
        self._ours.close()


class _Born:
    """A child of the nursery, as `Process` wants it."""

    def __init__(self, pid: int, stdout: IO[bytes], status: IO[bytes]) -> None:
        self.pid = pid
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = stdout
        self._status, self._code = status, None if pid else -1

    def poll(self) -> int | None:
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"forked {self.pid}", timeout or 0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        if self._code is None and select.select([self._status], [], [], timeout)[0]:
            self._code = int(self._status.readline() or _UNKNOWN)
            self._status.close()
        return self._code


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Let every daemon that begins meanwhile be forked, unless it is to be fresh."""
    with tempfile.TemporaryDirectory() as folder:
        nursery = Nursery(Path(folder))
        LAUNCHED.remove(nursery)  # it outlives the tests
        _AT_HAND.append(nursery)
        try:
            yield
        finally:
            _AT_HAND.remove(nursery)
            nursery.terminate()


def at_hand(argv: Sequence[str], env: Mapping[str, str]) -> Nursery | None:
    """Return the one that can fork this; None where there is none, or a fresh process is meant.

    What Python takes from the environment when it starts, a fork would not heed.
    """
    there = argv[len(_NETNS) + 1 :] if list(argv[: len(_NETNS)]) == _NETNS else argv
    known = list(there[:2]) == [sys.executable, "-m"] and there[2] in _PROGRAMS
    heeded = all(key == "PYTHONPATH" or not key.startswith("PYTHON") for key in env)
    return _AT_HAND[-1] if known and heeded and _AT_HAND else None


def _live(order: Mapping[str, object], output: int) -> int:
    """Be a daemon; return the exit code."""
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(3, _MOST_DESCRIPTORS)
    argv, env, namespace = order["argv"], order["env"], order["namespace"]
    assert isinstance(argv, list)
    assert isinstance(env, dict)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(str(order["cwd"]))
    if namespace:
        enter(str(namespace))
    try:
        return int(importlib.import_module(f"{order['program']}.__main__").main(argv))
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1


def _fork(order: Mapping[str, object], output: int) -> int:
    """Return when the daemon leads a group of its own, which may be signalled."""
    ready, begun = os.pipe()
    if pid := os.fork():
        os.close(begun)
        os.read(ready, 1)  # nothing: it closes what it has inherited
        os.close(ready)
        return pid
    code = 1
    try:
        code = _live(order, output)
    except BaseException:  # the loop below is the nursery's: nothing may come back to it
        traceback.print_exc()
    finally:
        logging.shutdown()  # as Python itself does at its end
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork on each order; report each end on the pipe that came with its order."""
    for name in _IMPORTED:
        importlib.import_module(name)
    for name in _OPTIONAL:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    orders = socket.socket(fileno=int(sys.argv[1]))
    waiting = selectors.DefaultSelector()
    waiting.register(orders, selectors.EVENT_READ, (0, 0))
    while True:
        for key, _ in waiting.select():
            pid, status = key.data
            if pid:
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with contextlib.suppress(BrokenPipeError):
                    os.write(status, b"%d\n" % code)
                waiting.unregister(key.fd)
                os.close(key.fd)
                os.close(status)
                continue
            text, descriptors, _, _ = socket.recv_fds(orders, _MOST_BYTES, 2)
            if not text:
                return
            output, status = descriptors
            pid = _fork(json.loads(text), output)
            os.close(output)
            waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
            orders.send(b"%d" % pid)


if __name__ == "__main__":
    main()
