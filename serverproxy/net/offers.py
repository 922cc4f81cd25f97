"""A join that waits for its Offer, and the Offer."""

from dataclasses import dataclass

from common.messages import Clock, Join, Offer, Rejoin
from serverproxy.config import ChannelConfig
from serverproxy.core.members import MakeOffer
from serverproxy.core.neighbours import stripe_as_seen
from serverproxy.net.feed import ChannelFeed


@dataclass(slots=True, eq=False)
class Arrival:
    """A join on its way."""

    join: Join
    received_us: int
    rejoin: Rejoin | None = None

    @property
    def has_children(self) -> bool:
        """Whether a node that comes back says so: then it can evidently be reached."""
        return self.rejoin is not None and any(one.children for one in self.rejoin.stripes)


def offer(
    command: MakeOffer,
    arrival: Arrival,
    feed: ChannelFeed,
    config: ChannelConfig,
    instance_us: int,
    host: str,
) -> Offer:
    """Return what a node is offered; `host` is where it sees the server proxy."""
    return Offer(
        node=command.node,
        serve=command.serve,
        stripes=len(feed.logs),
        slots=command.slots,
        group_key=feed.group_key,
        instance=instance_us,
        stream=feed.stream,
        source_up=feed.up,
        sender_reports=feed.reports,
        start=feed.start,
        parents=tuple(stripe_as_seen(one, host) for one in command.parents),
        addresses=command.addresses,
        clock=Clock(
            sent_us=arrival.join.sent_us,
            received_us=arrival.received_us,
            replied_us=feed.now_us(),
        ),
        join=config.join,
        add_policy=config.add_policy,
        delete_policy=config.delete_policy,
        logs_from=feed.logs_from,
    )
