"""The whole scrape of a client proxy (design, section 12)."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest

from clientproxy.metrics import ClientMetrics

CLOSED = {"channel", "stripe", "kind", "reason", "le"}


@dataclass
class Figures:
    """What a node counts, each with another number."""

    channel: str = "cam"
    received_bytes: list[int] = field(default_factory=lambda: [11, 12])
    relayed_bytes: list[int] = field(default_factory=lambda: [13, 0])
    overhead_bytes: dict[str, int] = field(
        default_factory=lambda: {"header": 14, "heartbeat": 15, "control": 16}
    )
    delivered: int = 17
    lost: int = 18
    rejoins: dict[tuple[int, str], int] = field(default_factory=lambda: {(1, "silent"): 19})
    delay_buckets: tuple[list[tuple[str, float]], float] = (
        [("0.005", 2.0), ("0.01", 5.0), ("+Inf", 6.0)],
        0.25,
    )
    players: int = 20
    children: list[int] = field(default_factory=lambda: [2, 0])
    skips: list[int] = field(default_factory=lambda: [31, 32])
    detached: dict[str, list[int]] = field(
        default_factory=lambda: {"too_slow": [33, 34], "silent": [35, 36]}
    )


SAMPLES = """\
stripecast_received_bytes_total{channel="cam",stripe="0"} 11.0
stripecast_received_bytes_total{channel="cam",stripe="1"} 12.0
stripecast_relayed_bytes_total{channel="cam",stripe="0"} 13.0
stripecast_relayed_bytes_total{channel="cam",stripe="1"} 0.0
stripecast_overhead_bytes_total{channel="cam",kind="header"} 14.0
stripecast_overhead_bytes_total{channel="cam",kind="heartbeat"} 15.0
stripecast_overhead_bytes_total{channel="cam",kind="control"} 16.0
stripecast_packets_delivered_total{channel="cam"} 17.0
stripecast_packets_lost_total{channel="cam"} 18.0
stripecast_rejoins_total{channel="cam",reason="silent",stripe="1"} 19.0
stripecast_delay_seconds_bucket{channel="cam",le="0.005"} 2.0
stripecast_delay_seconds_bucket{channel="cam",le="0.01"} 5.0
stripecast_delay_seconds_bucket{channel="cam",le="+Inf"} 6.0
stripecast_delay_seconds_count{channel="cam"} 6.0
stripecast_delay_seconds_sum{channel="cam"} 0.25
stripecast_players{channel="cam"} 20.0
stripecast_children{channel="cam",stripe="0"} 2.0
stripecast_children{channel="cam",stripe="1"} 0.0
stripecast_skips_total{channel="cam",stripe="0"} 31.0
stripecast_skips_total{channel="cam",stripe="1"} 32.0
stripecast_detached_children_total{channel="cam",reason="too_slow",stripe="0"} 33.0
stripecast_detached_children_total{channel="cam",reason="too_slow",stripe="1"} 34.0
stripecast_detached_children_total{channel="cam",reason="silent",stripe="0"} 35.0
stripecast_detached_children_total{channel="cam",reason="silent",stripe="1"} 36.0
"""


def scrape(*nodes: Figures) -> str:
    registry = CollectorRegistry()
    registry.register(ClientMetrics(lambda: nodes))
    return generate_latest(registry).decode()


def samples(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))


def test_a_scrape_shows_every_figure_under_its_pinned_name() -> None:
    assert samples(scrape(Figures())) == SAMPLES


def test_every_figure_is_explained_and_has_a_type() -> None:
    text = scrape(Figures())
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")}
    assert named == set(kinds)
    assert kinds["stripecast_delay_seconds"] == "histogram"
    assert kinds["stripecast_players"] == kinds["stripecast_children"] == "gauge"
    assert kinds["stripecast_packets_lost_total"] == "counter"


def test_labels_come_from_closed_sets() -> None:
    registry = CollectorRegistry()
    registry.register(ClientMetrics(lambda: [Figures()]))
    labels = {key for one in registry.collect() for s in one.samples for key in s.labels}
    assert labels == CLOSED


def test_a_node_that_has_not_joined_yet_shows_what_there_is() -> None:
    empty = Figures(
        received_bytes=[],
        relayed_bytes=[],
        rejoins={},
        children=[],
        delivered=0,
        skips=[],
        detached={},
    )
    text = samples(scrape(empty))
    assert 'stripecast_packets_delivered_total{channel="cam"} 0.0\n' in text
    assert "stripe=" not in text


def test_one_channel_name_at_two_server_proxies_is_one_series() -> None:
    """Prometheus refuses a scrape with two samples of the same labels."""
    lines = [line for line in scrape(Figures(), Figures()).splitlines() if line[0] != "#"]
    names = [line.rpartition(" ")[0] for line in lines]
    assert len(set(names)) == len(names)
    assert 'stripecast_packets_delivered_total{channel="cam"} 34.0' in lines
    assert 'stripecast_delay_seconds_bucket{channel="cam",le="+Inf"} 12.0' in lines
