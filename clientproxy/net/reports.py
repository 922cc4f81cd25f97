"""What a node tells the server proxy of itself: every two seconds, and when it comes back."""

from clientproxy.net.feed import MergedFeed
from clientproxy.net.stripes import Stripes
from common.fields import StripeReport, StripeState
from common.messages import Join, Rejoin, Report


def report(stripes: Stripes, feed: MergedFeed, now: float) -> Report:
    """Return how the stream comes to this node, and to whom it goes on."""
    uplink, children = stripes.uplink, stripes.downlink.children
    return Report(
        sent_us=int(now * 1e6),
        delay=feed.stats.delay,
        stripes=tuple(
            StripeReport(
                stripe,
                uplink.search.parent(stripe),
                feed.stats.delay,
                stripes.stats[stripe].received,
                stripes.stats[stripe].holes,
                uplink.lag(stripe),
                tuple(child.node for child in children.of(stripe)),
                uplink.search.standbys.held(stripe),
                uplink.behind(stripe),
            )
            for stripe in stripes.stripes
        ),
        players=feed.viewers,
        delivered=feed.stats.delivered,
        lost=feed.lost,
        downlink_slow=uplink.watch.downlink_slow,
    )


def rejoin(join: Join, stripes: Stripes, feed: MergedFeed) -> Rejoin:
    """Return how this node hangs in each tree: the server proxy may have forgotten."""
    offer = stripes.offer
    return Rejoin(
        join=join,
        node=offer.node,
        instance=offer.instance,
        stripes=tuple(
            StripeState(
                stripe,
                stripes.serve == stripe,
                stripes.uplink.search.parent(stripe),
                tuple(child.node for child in stripes.downlink.children.of(stripe)),
                stripes.newest(stripe),
            )
            for stripe in stripes.stripes
        ),
        players=feed.viewers,
        group_key=offer.group_key,
        addresses=offer.addresses,
    )
