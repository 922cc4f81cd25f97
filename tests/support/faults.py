"""Relays and viewers of one channel, faults that strike interior relays, and what players saw.

    with FaultStage(tmp_path, source, relays=10, viewers=10) as stage:
        stage.watch()
        for _ in range(5):
            stage.strike(kill)
            stage.add_relay()
            time.sleep(2)
        stage.judge().check()

Relays have no player. Each viewer has one or two: a socket that stamps each packet
(`tests.support.stalls`), and ffmpeg at the first two. What they get is compared with what a
session at the source itself gets.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Self

from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.exactness import compare
from tests.support.fleet import CHANNEL, trees_of
from tests.support.nursery import namespace_of
from tests.support.outcomes import Outcome, counted, ended_early, faults_of
from tests.support.players import FfmpegRecorder
from tests.support.processes import BenchError, Process, Wrap, wait_until
from tests.support.rtsp_client import Transport
from tests.support.sockets import connections
from tests.support.sources import GstSource
from tests.support.stalls import Seat, Viewers, stall

TRANSPORTS: tuple[Transport, ...] = ("udp", "tcp")
_LOG_LEVEL = os.environ.get("STRIPECAST_TEST_LOG_LEVEL", "info")
_LONGEST = 1200.0
"""Seconds; the recordings are stopped before."""
_AFTER = 3.0
"""Seconds that players go on after the last strike: what it costs is seen by then."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a daemon runs: address and namespace; number: of the host, 0 without namespaces."""

    host: str = "127.0.0.1"
    wrap: Wrap = list
    number: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A client proxy of the stage."""

    client: ClientProxy
    place: Place
    node: str


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault: whom it struck, and when (`time.monotonic`)."""

    member: Member
    at: float
    children: int


Fault = Callable[[Member], None]


def kill(member: Member) -> None:
    """SIGKILL."""
    member.client.send(signal.SIGKILL)


def freeze(member: Member) -> None:
    """SIGSTOP."""
    member.client.send(signal.SIGSTOP)


def leave(member: Member) -> None:
    """SIGTERM, and the end in good order, with a clean log, within five seconds."""
    member.client.stop()


class FaultStage:
    """A server proxy, relays and viewers; ends them, and judges their logs, on leaving."""

    def __init__(  # noqa: PLR0913  # what a stage is made of
        self,
        folder: Path,
        source: GstSource,
        *,
        relays: int,
        viewers: int,
        places: Iterator[Place] | None = None,
        viewer_slots: int | None = None,
        seed: int = 1,
    ) -> None:
        """`viewer_slots`: most children of a viewer, so that they leave something to the relays."""
        self.folder, self.source = folder, source
        self.random = random.Random(seed)
        self._places = places or repeat(Place())
        self._sizes, self._viewer_slots = (relays, viewers), viewer_slots
        self.place = next(self._places)
        self.server = ServerProxy(
            folder,
            {CHANNEL: source.url},
            arguments=["--log-level", _LOG_LEVEL],
            host=self.place.host,
            wrap=self.place.wrap,
        )
        self.relays: list[Member] = []
        self.viewers: list[Member] = []
        self.strikes: list[Strike] = []
        self._recorders: list[FfmpegRecorder] = []
        self._sockets: Viewers | None = None
        self._before: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        self.server.wait_ready()
        relays, viewers = self._sizes
        self.relays = self._started(relays)
        most = [] if self._viewer_slots is None else ["--max-children", str(self._viewer_slots)]
        self.viewers = self._started(viewers, *most)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            living = [member.client for member in self.members]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(ClientProxy.stop, living))
            self.server.stop()
            for strike in self.strikes:
                client = strike.member.client
                if client.returncode is None:
                    client.kill()
                client.wait(5)
                client.check_log()

    @property
    def members(self) -> list[Member]:
        """All that live."""
        return [*self.relays, *self.viewers]

    def _started(self, count: int, *arguments: str) -> list[Member]:
        places = [next(self._places) for _ in range(count)]
        overlay = self.server.overlay
        clients = [
            ClientProxy(
                self.folder,
                overlay,
                join=[CHANNEL],
                arguments=["--log-level", _LOG_LEVEL, *arguments],
                host=place.host,
                wrap=place.wrap,
            )
            for place in places
        ]
        for client in clients:
            client.wait_ready()
        return [
            Member(client, place, _node(client))
            for client, place in zip(clients, places, strict=True)
        ]

    def add_relay(self) -> None:
        """Let a fresh relay join; returns when it has."""
        self.relays += self._started(1)

    def trees(self) -> list[dict[str, str]]:
        """Return each tree of the API as {node: parent}."""
        return trees_of(self.server)

    def interior(self) -> list[Member]:
        """Return the relays that have children."""
        parents = {parent for tree in self.trees() for parent in tree.values()}
        return [relay for relay in self.relays if relay.node in parents]

    def watch(self) -> None:
        """Let players open the channel at every viewer."""
        self._recorders = [
            FfmpegRecorder(
                viewer.client.url(CHANNEL), self.folder, _LONGEST, lower, viewer.place.wrap
            )
            for viewer, lower in zip(self.viewers, TRANSPORTS, strict=False)
        ]
        seats = [
            Seat(
                viewer.client.url(CHANNEL),
                TRANSPORTS[number // 2 % 2],
                namespace_of(viewer.place.wrap),
            )
            for number, viewer in enumerate(self.viewers)
        ]
        at_source = Seat(self.source.url, "tcp", namespace_of(self.place.wrap))
        self._sockets = Viewers(self.folder, [*seats, at_source])
        self._sockets.wait_playing()
        self.source.expect_sent(30)
        self._before = {member.node: counted(member.client) for member in self.members}

    def strike(self, fault: Fault) -> Strike:
        """Let a fault happen to a random interior relay."""
        wait_until(lambda: bool(self.interior()), 20, "a relay has children")
        member = self.random.choice(self.interior())
        children = sum(parent == member.node for tree in self.trees() for parent in tree.values())
        self.relays.remove(member)
        strike = Strike(member, time.monotonic(), children)
        self.strikes.append(strike)
        fault(member)
        return strike

    def run(self, fault: Fault, times: int, every: float = 2.0) -> None:
        """Strike `times` times, `every` seconds apart; a fresh relay joins after each."""
        for _ in range(times):
            strike = self.strike(fault)
            self.add_relay()
            time.sleep(max(0.0, strike.at + every - time.monotonic()))
        time.sleep(_AFTER)

    def wait_nothing_half_open(self, timeout: float = 30.0) -> None:
        """Wait until nobody who lives has a connection with one who was struck."""
        try:
            wait_until(lambda: not self._half_open(), timeout, "links with the struck", 0.5)
        except BenchError:
            left = self._half_open()
            assert not left, "\n".join(left)

    def _half_open(self) -> list[str]:
        """Return the connections of the living whose other end is, or was, the struck's."""
        struck = [strike.member for strike in self.strikes]
        hosts = {member.place.host for member in struck if member.place.number}
        ends = {
            (remote, local)
            for member in struck
            if not member.place.number and member.client.returncode is None
            for local, remote in connections(member.client.pid)
        }
        daemons: list[tuple[Process, Wrap]] = [
            (self.server, self.place.wrap),
            *((member.client, member.place.wrap) for member in self.members),
        ]
        return [
            f"{daemon}: {pair}"
            for daemon, wrap in daemons
            for pair in connections(daemon.pid, wrap)
            if pair in ends or pair[1].rpartition(":")[0] in hosts
        ]

    def judge(self) -> Outcome:
        """Stop all players and compare what they got with what the source sent."""
        assert self._sockets is not None
        outcome = Outcome()
        assert all(one.returncode is None for one in self._recorders), "a recording has ended"
        for recorder in self._recorders:
            recorder.send(signal.SIGINT)
        *captures, direct = self._sockets.stop()
        for recorder in self._recorders:
            verdict = compare(self.source.sent, recorder.result().path, least=50)
            outcome.faults += [] if verdict.exact else [f"{recorder}: {verdict}"]
        for viewer, one in zip(self.viewers, captures, strict=True):
            outcome.faults += [f"{viewer.node}: {text}" for text in faults_of(one, direct)]
            got = sum(map(len, one.rtp.values()))
            gone = sum(one.gaps(kind)["lost"] for kind in one.rtp)
            outcome.packets += got
            share = 0.0 if ended_early(one, direct) else got / (got + gone)
            outcome.least_share = min(outcome.least_share, share)
        for strike in self.strikes:
            outcome.source_stalls.append(stall(direct, strike.at))
            outcome.stalls += [stall(one, strike.at) for one in captures]
        for member in self.members:
            delivered, lost = counted(member.client)
            outcome.lost += int(lost)
            if before := self._before.get(member.node):
                since, less = delivered - before[0], lost - before[1]
                outcome.least_share = min(outcome.least_share, since / (since + less))
            if lost:
                outcome.faults.append(f"{member.node}, {member.client}, lost {lost:.0f}")
        return outcome


def _node(client: ClientProxy) -> str:
    channels = client.api()["channels"]
    assert isinstance(channels, list)
    first = channels[0]
    assert isinstance(first, dict)
    return str(first["node"])
