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
    source_packets_by_kind: dict[str, int] = field(
        default_factory=lambda: {"video": 41, "rtcp": 42}
    )
    source_keyframes: int = 43
    source_pulls: int = 44
    source_failures: int = 45
    source_faults: dict[str, int] = field(default_factory=lambda: {"late": 46, "bad": 47})
    sent_bytes: list[int] = field(default_factory=lambda: [14, 15])
    overhead_bytes: dict[str, int] = field(
        default_factory=lambda: {"header": 16, "heartbeat": 17, "control": 18}
    )
    log_bytes: list[int] = field(default_factory=lambda: [48, 49])
    log_seconds: list[float] = field(default_factory=lambda: [5.25, 5.5])
    nodes: int = 19
    nodes_away: int = 51
    orphans: list[int] = field(default_factory=lambda: [52, 53])
    depths: list[int] = field(default_factory=lambda: [3, 4])
    children: list[int] = field(default_factory=lambda: [54, 55])
    joins: dict[str, int] = field(default_factory=lambda: {"ok": 20, "full": 21})
    parents_lost: dict[str, int] = field(default_factory=lambda: {"silent": 56})
    happened: dict[str, int] = field(default_factory=lambda: {"repaired": 57, "moved": 58})
    refused: dict[str, int] = field(default_factory=lambda: {"full": 59})
    skips: list[int] = field(default_factory=lambda: [31, 32])
    detached: dict[str, list[int]] = field(
        default_factory=lambda: {"too_slow": [33, 34], "silent": [35, 36]}
    )
    players: int = 60
    lost_by_nodes: int = 61
    most_delay: float = 0.5


SAMPLES = """\
stripecast_source_up{channel="cam"} 1.0
stripecast_source_packets_total{channel="cam"} 11.0
stripecast_source_bytes_total{channel="cam"} 12.0
stripecast_source_track_packets_total{channel="cam",kind="video"} 41.0
stripecast_source_track_packets_total{channel="cam",kind="rtcp"} 42.0
stripecast_source_keyframes_total{channel="cam"} 43.0
stripecast_source_lost_packets_total{channel="cam"} 13.0
stripecast_source_faults_total{channel="cam",reason="late"} 46.0
stripecast_source_faults_total{channel="cam",reason="bad"} 47.0
stripecast_source_pulls_total{channel="cam"} 44.0
stripecast_source_failures_total{channel="cam"} 45.0
stripecast_sent_bytes_total{channel="cam",stripe="0"} 14.0
stripecast_sent_bytes_total{channel="cam",stripe="1"} 15.0
stripecast_overhead_bytes_total{channel="cam",kind="header"} 16.0
stripecast_overhead_bytes_total{channel="cam",kind="heartbeat"} 17.0
stripecast_overhead_bytes_total{channel="cam",kind="control"} 18.0
stripecast_log_bytes{channel="cam",stripe="0"} 48.0
stripecast_log_bytes{channel="cam",stripe="1"} 49.0
stripecast_log_seconds{channel="cam",stripe="0"} 5.25
stripecast_log_seconds{channel="cam",stripe="1"} 5.5
stripecast_nodes{channel="cam"} 19.0
stripecast_nodes_away{channel="cam"} 51.0
stripecast_orphans{channel="cam",stripe="0"} 52.0
stripecast_orphans{channel="cam",stripe="1"} 53.0
stripecast_tree_depth{channel="cam",stripe="0"} 3.0
stripecast_tree_depth{channel="cam",stripe="1"} 4.0
stripecast_children{channel="cam",stripe="0"} 54.0
stripecast_children{channel="cam",stripe="1"} 55.0
stripecast_joins_total{channel="cam",result="ok"} 20.0
stripecast_joins_total{channel="cam",result="full"} 21.0
stripecast_parents_lost_total{channel="cam",reason="silent"} 56.0
stripecast_events_total{channel="cam",kind="repaired"} 57.0
stripecast_events_total{channel="cam",kind="moved"} 58.0
stripecast_refused_children_total{channel="cam",reason="full"} 59.0
stripecast_skips_total{channel="cam",stripe="0"} 31.0
stripecast_skips_total{channel="cam",stripe="1"} 32.0
stripecast_detached_children_total{channel="cam",reason="too_slow",stripe="0"} 33.0
stripecast_detached_children_total{channel="cam",reason="too_slow",stripe="1"} 34.0
stripecast_detached_children_total{channel="cam",reason="silent",stripe="0"} 35.0
stripecast_detached_children_total{channel="cam",reason="silent",stripe="1"} 36.0
stripecast_reported_players{channel="cam"} 60.0
stripecast_reported_lost_packets{channel="cam"} 61.0
stripecast_reported_delay_seconds{channel="cam"} 0.5
"""


def scrape(channels: dict[str, Figures]) -> str:
    registry = CollectorRegistry()
    registry.register(ServerMetrics(channels))
    return generate_latest(registry).decode()


def samples(text: str) -> str:
    return "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("#"))


def test_a_scrape_shows_every_figure_under_its_name() -> None:
    assert sorted(samples(scrape({"cam": Figures()})).splitlines()) == sorted(SAMPLES.splitlines())


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
