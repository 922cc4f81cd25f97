"""One channel of the server proxy: source, feed and control links."""

from collections.abc import Mapping, Sequence

from common.ids import Stripe
from common.runtime.tasks import Tasks
from serverproxy.config import ChannelConfig
from serverproxy.core.membership import Membership
from serverproxy.core.redirection import RedirectMembership
from serverproxy.core.tree import Trees
from serverproxy.net.control import Control
from serverproxy.net.feed import ChannelFeed
from serverproxy.net.source import SourceSettings, create


class Channel:
    """One channel: source, feed and control links."""

    def __init__(self, name: str, config: ChannelConfig, tasks: Tasks, *, instance_us: int) -> None:
        """Prepare; `start` pulls the source."""
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
        password = None if config.password is None else config.password.get_secret_value()
        self.source = create(
            SourceSettings(
                url=config.source,
                transport=config.transport,
                username=config.username,
                password=password,
                ca=config.ca,
                fingerprint=config.fingerprint,
                timeout=config.source_timeout,
            ),
            self.feed,
            channel=name,
        )

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
        return sum(self.source.stats.lost_packets.values())

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
        return [trees.tree_depth(Stripe(stripe)) for stripe in range(len(self.feed.logs))]

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
