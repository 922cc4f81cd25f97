"""One channel of the server proxy: source, feed and control links."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from common.ids import Stripe
from common.runtime.tasks import Tasks
from serverproxy.config import ChannelConfig
from serverproxy.core.events import SourceDescription, SourcePacket, SourceSink
from serverproxy.core.membership import Membership
from serverproxy.core.redirection import RedirectMembership
from serverproxy.core.tree import Trees
from serverproxy.net.control import Control
from serverproxy.net.feed import ChannelFeed
from serverproxy.net.source import Source, SourceSettings, TestCard, create

Pulls: TypeAlias = Sequence["asyncio.Task[None]"]
"""Tasks that pull a source, or hang up."""
ENDS_WITHIN = 3.0
"""Seconds that the source before has to end, before the one that follows it is pulled."""


class Channel:
    """One channel: source, feed and control links."""

    def __init__(self, name: str, config: ChannelConfig, tasks: Tasks, *, instance_us: int) -> None:
        """Prepare; `open` pulls the source."""
        self.name = name
        self.feed = ChannelFeed(name, config, instance_us=instance_us)
        trees = Trees(
            stripes=config.stripes,
            children_per_stripe=config.children_per_stripe,
            repair_slots=config.repair_slots,
            policy=config.placement,
            follow=config.join == "redirect",
        )
        kind = RedirectMembership if config.join == "redirect" else Membership
        membership = kind(trees, stripes=config.stripes, away_grace=config.repair_grace)
        self.control = Control(self.feed, membership, tasks, config, instance_us=instance_us)
        self._tasks = tasks
        self._gate, self.source = self.source_of(config)
        self._pulling: Pulls = []
        """The source, and those before it that have not ended yet."""
        self._lost_before = 0

    # --- opened, changed, closed

    def open(self, before: Pulls = ()) -> None:
        """Pull the source until `close`; `before`: what `close` of another channel returned."""
        follow = self._follow(before, self.source)
        fields = {"channel": self.name}
        self._pulling = [*before, self._tasks.spawn(follow, name="source", fields=fields)]

    def source_of(self, config: ChannelConfig) -> "tuple[_Gate, Source | TestCard]":
        """Make a source for this channel, to be pulled later. Raises ValueError with a sentence."""
        gate = _Gate(self.feed)
        password = None if config.password is None else config.password.get_secret_value()
        settings = SourceSettings(
            url=config.source,
            transport=config.transport,
            username=config.username,
            password=password,
            ca=config.ca,
            fingerprint=config.fingerprint,
            timeout=config.source_timeout,
        )
        return gate, create(settings, gate, channel=self.name)

    def pull(self, made: "tuple[_Gate, Source | TestCard]") -> None:
        """Pull another source from now on: whoever watches sees it begin anew, and stays."""
        before = self._hang_up()
        self._lost_before = self.source_lost
        self._gate.shut()
        self._gate, self.source = made
        self.feed.source_down("the source was changed")
        follow = self._follow(before, self.source)
        fields = {"channel": self.name}
        self._pulling = [*before, self._tasks.spawn(follow, name="source", fields=fields)]

    def _hang_up(self) -> Pulls:
        """End the source; return all that still hang up. Those before it are not told twice."""
        if self._pulling:
            self._pulling[-1].cancel()
        return [task for task in self._pulling if not task.done()]

    async def _follow(self, before: Pulls, source: Source | TestCard) -> None:
        """Let the source before hang up first: some serve one client at a time."""
        if before:
            await asyncio.wait(before, timeout=ENDS_WITHIN)
        await source.run()

    def keep(self, config: ChannelConfig) -> None:
        """Keep so much in the logs from now on."""
        for own in self.feed.logs:
            own.keep(max_bytes=config.log_bytes, max_age=config.log_time)

    def close(self, sentence: str = "") -> Pulls:
        """End all links; return what still hangs up at the source.

        With a sentence, say to whom watches that the channel is gone for good.
        """
        ending = self._hang_up()
        self._gate.shut()
        self.control.close(sentence)
        self.feed.downlink.close("ended")
        return ending

    # --- metrics.ChannelFigures

    @property
    def source_packets(self) -> int:
        """RTP and RTCP packets accepted from the source."""
        return self.feed.numbering.stats.packets

    @property
    def source_bytes(self) -> int:
        """Their bytes."""
        return self.feed.numbering.stats.bytes

    @property
    def source_up(self) -> bool:
        """The source plays."""
        return self.feed.up

    @property
    def source_lost(self) -> int:
        """Packets that were lost before they came here."""
        return self._lost_before + sum(self.source.stats.lost_packets.values())

    @property
    def sent_bytes(self) -> list[int]:
        """RTP and RTCP bytes written to children, per stripe."""
        return self.feed.downlink.stats.sent_bytes

    @property
    def overhead_bytes(self) -> dict[str, int]:
        """Bytes written besides the stream."""
        stats = self.feed.downlink.stats
        return {
            "header": stats.header_bytes,
            "heartbeat": stats.heartbeat_bytes,
            "control": stats.control_bytes + self.control.bytes,
        }

    @property
    def nodes(self) -> int:
        """Nodes in the channel."""
        return len(self.control.membership.members)

    @property
    def depths(self) -> list[int]:
        """Depth of each tree."""
        trees = self.control.membership.trees
        return [trees.tree_depth(stripe) for stripe in self._stripes]

    @property
    def joins(self) -> dict[str, int]:
        """Joins by result."""
        return self.control.membership.stats.joins

    @property
    def skips(self) -> list[int]:
        """Times that a child which is too slow was skipped forward, per stripe."""
        return self.feed.downlink.stats.skips

    @property
    def detached(self) -> Mapping[str, Sequence[int]]:
        """Children whose link was ended, by reason, per stripe."""
        return self.feed.downlink.stats.detached

    @property
    def source_packets_by_kind(self) -> Mapping[str, int]:
        """The packets of the source by what they carry."""
        return self.feed.numbering.stats.by_kind

    @property
    def source_keyframes(self) -> int:
        """Places where a newcomer can begin."""
        return self.feed.numbering.stats.keyframes

    @property
    def source_pulls(self) -> int:
        """Times that the source began to play."""
        return self.source.stats.pulls

    @property
    def source_failures(self) -> int:
        """Times that it could not be had, or ended."""
        return self.source.stats.failures

    @property
    def source_faults(self) -> Mapping[str, int]:
        """Packets that came amiss, by reason."""
        stats = self.source.stats
        return {
            "reordered": stats.reordered,
            "late": stats.late,
            "duplicate": stats.duplicates,
            "bad": stats.bad_frames,
            "foreign": stats.foreign,
        }

    @property
    def log_bytes(self) -> Sequence[int]:
        """Bytes in the logs, per stripe."""
        return [own.size_bytes for own in self.feed.logs]

    @property
    def log_seconds(self) -> Sequence[float]:
        """Seconds of the stream in the logs, per stripe."""
        return [own.seconds for own in self.feed.logs]

    @property
    def nodes_away(self) -> int:
        """Nodes whose control link has ended."""
        members = self.control.membership.members.values()
        return sum(member.away_since is not None for member in members)

    @property
    def orphans(self) -> Sequence[int]:
        """Nodes without a parent, per stripe."""
        members, trees = self.control.membership.members, self.control.membership.trees
        return [sum(trees.parent(node, s) is None for node in members) for s in self._stripes]

    @property
    def children(self) -> Sequence[int]:
        """Nodes that the server proxy feeds itself, per stripe."""
        children = self.feed.downlink.children
        return [len(children.of(stripe)) for stripe in self._stripes]

    @property
    def parents_lost(self) -> Mapping[str, int]:
        """Parents that nodes have lost, by reason."""
        return self.control.membership.stats.parents_lost

    @property
    def happened(self) -> Mapping[str, int]:
        """What has happened, by kind."""
        return self.control.chronicle.counts

    @property
    def refused(self) -> Mapping[str, int]:
        """Nodes that wanted to be children of the server proxy and were refused, by reason."""
        return self.feed.downlink.stats.refused

    @property
    def players(self) -> int:
        """Players of all nodes, as these report."""
        return sum(member.players for member in self.control.membership.members.values())

    @property
    def lost_by_nodes(self) -> int:
        """Packets that the nodes present have given up, as they report."""
        return sum(member.lost for member in self.control.membership.members.values())

    @property
    def most_delay(self) -> float:
        """Seconds from capture to delivery at the node that is farthest behind, as it reports."""
        members = self.control.membership.members.values()
        return max((member.delay for member in members), default=0.0)

    @property
    def _stripes(self) -> list[Stripe]:
        return [Stripe(stripe) for stripe in range(len(self.feed.logs))]


class _Gate:
    """Passes on what a source delivers, until it is shut (`events.SourceSink`)."""

    def __init__(self, sink: SourceSink) -> None:
        self._sink: SourceSink | None = sink

    def shut(self) -> None:
        """Let nothing through any more: its source has been replaced."""
        self._sink = None

    def source_up(self, description: SourceDescription) -> None:
        if self._sink is not None:
            self._sink.source_up(description)

    def source_packets(self, packets: Sequence[SourcePacket]) -> None:
        if self._sink is not None:
            self._sink.source_packets(packets)

    def source_down(self, reason: str) -> None:
        if self._sink is not None:
            self._sink.source_down(reason)
