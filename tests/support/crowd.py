"""A channel of the real server proxy with as many nodes as wanted, and no socket: for its pages."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from random import Random

from prometheus_client import CollectorRegistry

from common.fields import Candidate
from common.ids import Address, NodeId, Stripe
from common.messages import AttachedReport, Redirect, Report
from common.runtime.http import HttpServer
from common.runtime.tasks import Tasks
from serverproxy.config import ChannelConfig
from serverproxy.core.members import Command, Joined, MakeOffer, Send, Told
from serverproxy.net.channel import Channel
from serverproxy.net.status import status
from serverproxy.net.web import serve

INSTANCE_US = 1_790_000_000_000_000
ROUNDS = 50


class Crowd:
    """Nodes that do what they are told at once; call it in a running event loop."""

    def __init__(self, name: str, count: int, *, tasks: Tasks) -> None:
        config = ChannelConfig(source="rtsp://127.0.0.1:1/cam")
        self.channel = Channel(name, config, tasks, instance_us=INSTANCE_US)
        self.membership = self.channel.control.membership
        self.membership.root_feeds = lambda _node, _stripe: True  # without any socket
        self.nodes: list[NodeId] = []
        self._now, self._born = 0.0, 0
        for _ in range(count):
            self.join()
        self.settle()

    def join(self) -> NodeId:
        """Let one node join and attach where it is told to."""
        self._born += 1
        node = NodeId(f"n{self._born}-test")
        self.nodes.append(node)
        self.channel.control.chronicle.add("joined", self.channel.feed.now_us(), node=node)
        event = Joined(node=node, addresses=(f"10.1.{self._born}.1:7855",), max_children=None)
        for command in self.membership.handle(event, self._now):
            if isinstance(command, MakeOffer):
                for one in command.parents:
                    self._attach(node, Stripe(one.stripe), one.candidates[0])
        self.settle()
        return node

    def die(self, node: NodeId) -> None:
        """Let one node be gone, and its children find others."""
        trees = self.membership.trees
        orphans = [(c, s) for s in self._stripes for c in trees.children(node, s)]
        self._run(self.membership.forget(node))
        self.nodes.remove(node)
        for _ in range(ROUNDS):
            orphans = [one for one in orphans if not self._adopt(*one, node)]
            self.settle()
            if not orphans:
                return
        raise AssertionError(f"nobody takes {orphans}")

    def _adopt(self, child: NodeId, stripe: Stripe, lost: NodeId) -> bool:
        placement = self.membership.trees.place(child, stripe)
        if placement is not None:
            parent = placement.candidates[0].parent
            report = AttachedReport(
                stripe=stripe, parent=parent, first=0, lost=lost, reason="closed"
            )
            self.channel.control.handle(Told(child, report))
        return placement is not None

    def report(self, figures: Callable[[int], tuple[float, int, int]]) -> None:
        """Let every node report; `figures` gives delay, players and losses of the n-th."""
        for number, node in enumerate(self.nodes):
            delay, players, lost = figures(number)
            self.channel.control.handle(
                Told(
                    node,
                    Report(
                        sent_us=0,
                        delay=delay,
                        stripes=(),
                        players=players,
                        delivered=1000 + number,
                        lost=lost,
                    ),
                )
            )

    def settle(self) -> None:
        """Let every move that the trees ask for be made."""
        for _ in range(ROUNDS):
            self._now += 1.0
            if not self._run(self.membership.expire(self._now)):
                return

    @property
    def _stripes(self) -> list[Stripe]:
        return [Stripe(stripe) for stripe in range(len(self.channel.feed.logs))]

    def _run(self, commands: list[Command]) -> bool:
        moved = False
        for command in commands:
            match command:
                case Send(node, Redirect(stripe=stripe, targets=targets)) if targets:
                    self._attach(node, Stripe(stripe), targets[0])
                    moved = True
                case _:
                    pass
        return moved

    def _attach(self, node: NodeId, stripe: Stripe, parent: Candidate) -> None:
        report = AttachedReport(stripe=stripe, parent=parent.node, first=0)
        self.channel.control.handle(Told(node, report))


async def serve_crowd(names: Mapping[str, int]) -> None:
    """Serve the page of channels with so many nodes each; one node goes and one comes a second."""
    tasks, rng = Tasks(), Random(1)
    crowds = [Crowd(name, count, tasks=tasks) for name, count in names.items()]
    channels = {crowd.channel.name: crowd.channel for crowd in crowds}
    http = HttpServer(
        registry=CollectorRegistry(),
        status=lambda: status(channels, "", ""),
        ready=lambda: (True, ""),
    )
    serve(http, channels, channels.__delitem__)
    print(f"listening at {await http.start(Address('127.0.0.1', 0))}", flush=True)
    while True:
        for crowd in crowds:
            crowd.channel.feed.up = True
            crowd.report(lambda number: (0.004 + 0.003 * (number % 7), number % 3, 0))
            crowd.channel.feed.numbering.stats.bytes += 250_000
            sent = crowd.channel.feed.downlink.stats.sent_bytes
            sent[0], sent[1] = sent[0] + 125_000, sent[1] + 125_000
        await asyncio.sleep(1)
        for crowd in crowds:
            crowd.die(rng.choice(crowd.nodes))
            crowd.join()


if __name__ == "__main__":
    given = (argument.rpartition("=") for argument in sys.argv[1:])
    asyncio.run(serve_crowd({name: int(count) for name, _, count in given}))
