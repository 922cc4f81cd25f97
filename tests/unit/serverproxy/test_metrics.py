"""The whole scrape of a server proxy (design, section 12)."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest

from serverproxy.metrics import ServerMetrics

CLOSED = {"channel", "stripe", "kind", "result", "reason"}


@dataclass
class Figures:
    """What a channel counts, each with another number."""

    source_packets: int = 11
    source_bytes: int = 12
    source_up: bool = True
    source_lost: int = 13
    sent_bytes: list[int] = field(default_factory=lambda: [14, 15])
    overhead_bytes: dict[str, int] = field(
        default_factory=lambda: {"header": 16, "heartbeat": 17, "control": 18}
    )
    nodes: int = 19
    depths: list[int] = field(default_factory=lambda: [3, 4])
    joins: dict[str, int] = field(default_factory=lambda: {"ok": 20, "full": 21})
    skips: list[int] = field(default_factory=lambda: [31, 32])
    detached: dict[str, list[int]] = field(
        default_factory=lambda: {"too_slow": [33, 34], "silent": [35, 36]}
    )


SAMPLES = """\
stripecast_source_packets_total{channel="cam"} 11.0
stripecast_source_bytes_total{channel="cam"} 12.0
stripecast_source_lost_packets_total{channel="cam"} 13.0
stripecast_source_up{channel="cam"} 1.0
stripecast_sent_bytes_total{channel="cam",stripe="0"} 14.0
stripecast_sent_bytes_total{channel="cam",stripe="1"} 15.0
stripecast_overhead_bytes_total{channel="cam",kind="header"} 16.0
stripecast_overhead_bytes_total{channel="cam",kind="heartbeat"} 17.0
stripecast_overhead_bytes_total{channel="cam",kind="control"} 18.0
stripecast_nodes{channel="cam"} 19.0
stripecast_tree_depth{channel="cam",stripe="0"} 3.0
stripecast_tree_depth{channel="cam",stripe="1"} 4.0
stripecast_joins_total{channel="cam",result="ok"} 20.0
stripecast_joins_total{channel="cam",result="full"} 21.0
stripecast_skips_total{channel="cam",stripe="0"} 31.0
stripecast_skips_total{channel="cam",stripe="1"} 32.0
stripecast_detached_children_total{channel="cam",reason="too_slow",stripe="0"} 33.0
stripecast_detached_children_total{channel="cam",reason="too_slow",stripe="1"} 34.0
stripecast_detached_children_total{channel="cam",reason="silent",stripe="0"} 35.0
stripecast_detached_children_total{channel="cam",reason="silent",stripe="1"} 36.0
"""


def scrape(channels: dict[str, Figures]) -> str:
    registry = CollectorRegistry()
    registry.register(ServerMetrics(channels))
    return generate_latest(registry).decode()


def samples(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))


def test_a_scrape_shows_every_figure_under_its_pinned_name() -> None:
    assert samples(scrape({"cam": Figures()})) == SAMPLES


def test_every_figure_is_explained() -> None:
    text = scrape({"cam": Figures()})
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")}
    typed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    shown = {line.partition("{")[0] for line in samples(text).splitlines()}
    assert names == typed == shown


def test_labels_come_from_closed_sets() -> None:
    registry = CollectorRegistry()
    registry.register(ServerMetrics({"cam": Figures()}))
    labels = {key for one in registry.collect() for s in one.samples for key in s.labels}
    assert labels == CLOSED


def test_channels_are_read_anew_at_each_scrape() -> None:
    channels = {"cam": Figures()}
    registry = CollectorRegistry()
    registry.register(ServerMetrics(channels))
    channels["lobby"] = Figures(nodes=1, source_up=False)
    text = generate_latest(registry).decode()
    assert 'stripecast_nodes{channel="lobby"} 1.0\n' in text
    assert 'stripecast_source_up{channel="lobby"} 0.0\n' in text
    assert scrape({}).count("{") == 0
