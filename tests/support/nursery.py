"""Client proxies that are forked from a process which has imported everything already.

    with Nursery(tmp_path) as nursery:
        client = ForkedClient(nursery, tmp_path, server.overlay, join=["cam"])

Each is a process of its own, with its own session, log and ports, as `ClientProxy` is; only the
0.8 s of CPU that the imports take are spent once. So a hundred can be started, and a fresh one can
join while stalls of some milliseconds are measured on the same machine.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import selectors
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

import clientproxy.__main__
import clientproxy.commandline
from tests.support.daemons import ClientProxy
from tests.support.processes import BenchError, Child, Process, Wrap
from tests.support.sources import ROOT

_CLONE_NEWNET = 0x40000000
_MOST_BYTES = 65536
_MOST_DESCRIPTORS = 4096
_NETNS = ["ip", "netns", "exec"]
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
        """Fork `python -m clientproxy …`; `ip netns exec NAME` may stand before it."""
        namespace = namespace_of(lambda _: list(argv))
        if namespace:
            argv = argv[len(_NETNS) + 1 :]
        order = {"argv": list(argv[3:]), "env": dict(env), "namespace": namespace}
        output, status = os.pipe(), os.pipe()
        theirs = [output[1], status[1]]
        socket.send_fds(self._ours, [json.dumps(order).encode()], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        answer = self._ours.recv(_MOST_BYTES)
        if not answer:
            raise BenchError(f"{self} has ended:\n{self.tail()}")
        return _Born(int(answer), os.fdopen(output[0], "rb"), os.fdopen(status[0], "rb"))

    def wait_ready(self) -> None:
        """Wait until it has imported all."""
        self.expect("^READY$", 60)

    def __enter__(self) -> Self:
        self.wait_ready()
        return self

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


class ForkedClient(ClientProxy):
    """`ClientProxy`, forked."""

    def __init__(  # noqa: PLR0913  # those of ClientProxy, and the nursery
        self,
        nursery: Nursery,
        folder: Path,
        server: str,
        *,
        join: Sequence[str] = (),
        arguments: Sequence[str] = (),
        host: str = "127.0.0.1",
        wrap: Wrap = list,
    ) -> None:
        self._nursery = nursery
        super().__init__(folder, server, join=join, arguments=arguments, host=host, wrap=wrap)

    def launch(self, env: Mapping[str, str]) -> Child:
        return self._nursery.bear(self.argv, env)


def _live(order: Mapping[str, object], output: int) -> int:
    """Be a client proxy; return the exit code."""
    os.setsid()
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(3, _MOST_DESCRIPTORS)
    argv, env, namespace = order["argv"], order["env"], order["namespace"]
    assert isinstance(argv, list)
    assert isinstance(env, dict)
    os.environ.update(env)
    if namespace:
        enter(str(namespace))
    try:
        return clientproxy.__main__.main(argv)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1


def _fork(order: Mapping[str, object], output: int) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        code = _live(order, output)
    except BaseException:  # the loop below is the nursery's: nothing may come back to it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork on each order; report each end on the pipe that came with its order."""
    importlib.import_module("clientproxy.app")
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop")
    gc.collect()
    gc.freeze()
    orders = socket.socket(fileno=int(sys.argv[1]))
    waiting = selectors.DefaultSelector()
    waiting.register(orders, selectors.EVENT_READ, (0, 0))
    print("READY", flush=True)
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
