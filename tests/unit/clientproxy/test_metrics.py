"""The whole scrape of a client proxy (design, section 12)."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest

from clientproxy.metrics import ClientMetrics, PlayerMetrics
from clientproxy.net.rtsp.stats import ServerStats

CLOSED = {"channel", "stripe", "kind", "reason", "le"}


@dataclass
class Figures:
    """What a node counts, each with another number."""

    channel: str = "cam"
    joined: bool = True
    control_up: bool = True
    received_bytes: list[int] = field(default_factory=lambda: [11, 12])
    relayed_bytes: list[int] = field(default_factory=lambda: [13, 0])
    overhead_bytes: dict[str, int] = field(
        default_factory=lambda: {"header": 14, "heartbeat": 15, "control": 16}
    )
    delivered: int = 17
    lost: int = 18
    late: int = 41
    reorder_depth: int = 42
    holes: list[int] = field(default_factory=lambda: [43, 44])
    rejoins: dict[str, list[int]] = field(default_factory=lambda: {"silent": [0, 19]})
    delay_buckets: tuple[list[tuple[str, float]], float] = (
        [("0.005", 2.0), ("0.01", 5.0), ("+Inf", 6.0)],
        0.25,
    )
    stall_buckets: tuple[list[tuple[str, float]], float] = ([("0.25", 1.0), ("+Inf", 3.0)], 4.5)
    players: int = 20
    player_failures: int = 49
    attached: list[bool] = field(default_factory=lambda: [True, False])
    standbys: list[bool] = field(default_factory=lambda: [False, True])
    behind: list[float] = field(default_factory=lambda: [0.25, 0.5])
    children: list[int] = field(default_factory=lambda: [2, 0])
    slots: int = 45
    log_bytes: list[int] = field(default_factory=lambda: [46, 47])
    log_seconds: list[float] = field(default_factory=lambda: [5.25, 5.5])
    refused: dict[str, int] = field(default_factory=lambda: {"full": 48})
    skips: list[int] = field(default_factory=lambda: [31, 32])
    detached: dict[str, list[int]] = field(
        default_factory=lambda: {"too_slow": [33, 34], "silent": [35, 36]}
    )


SAMPLES = """\
stripecast_joined{channel="cam"} 1.0
stripecast_control_up{channel="cam"} 1.0
stripecast_received_bytes_total{channel="cam",stripe="0"} 11.0
stripecast_received_bytes_total{channel="cam",stripe="1"} 12.0
stripecast_relayed_bytes_total{channel="cam",stripe="0"} 13.0
stripecast_relayed_bytes_total{channel="cam",stripe="1"} 0.0
stripecast_overhead_bytes_total{channel="cam",kind="header"} 14.0
stripecast_overhead_bytes_total{channel="cam",kind="heartbeat"} 15.0
stripecast_overhead_bytes_total{channel="cam",kind="control"} 16.0
stripecast_packets_delivered_total{channel="cam"} 17.0
stripecast_packets_lost_total{channel="cam"} 18.0
stripecast_packets_late_total{channel="cam"} 41.0
stripecast_packets_missing_total{channel="cam",stripe="0"} 43.0
stripecast_packets_missing_total{channel="cam",stripe="1"} 44.0
stripecast_reorder_depth_packets{channel="cam"} 42.0
stripecast_rejoins_total{channel="cam",reason="silent",stripe="0"} 0.0
stripecast_rejoins_total{channel="cam",reason="silent",stripe="1"} 19.0
stripecast_delay_seconds_bucket{channel="cam",le="0.005"} 2.0
stripecast_delay_seconds_bucket{channel="cam",le="0.01"} 5.0
stripecast_delay_seconds_bucket{channel="cam",le="+Inf"} 6.0
stripecast_delay_seconds_count{channel="cam"} 6.0
stripecast_delay_seconds_sum{channel="cam"} 0.25
stripecast_stall_seconds_bucket{channel="cam",le="0.25"} 1.0
stripecast_stall_seconds_bucket{channel="cam",le="+Inf"} 3.0
stripecast_stall_seconds_count{channel="cam"} 3.0
stripecast_stall_seconds_sum{channel="cam"} 4.5
stripecast_players{channel="cam"} 20.0
stripecast_player_failures_total{channel="cam"} 49.0
stripecast_attached{channel="cam",stripe="0"} 1.0
stripecast_attached{channel="cam",stripe="1"} 0.0
stripecast_standbys_ready{channel="cam",stripe="0"} 0.0
stripecast_standbys_ready{channel="cam",stripe="1"} 1.0
stripecast_parent_lag_seconds{channel="cam",stripe="0"} 0.25
stripecast_parent_lag_seconds{channel="cam",stripe="1"} 0.5
stripecast_children{channel="cam",stripe="0"} 2.0
stripecast_children{channel="cam",stripe="1"} 0.0
stripecast_slots{channel="cam"} 45.0
stripecast_log_bytes{channel="cam",stripe="0"} 46.0
stripecast_log_bytes{channel="cam",stripe="1"} 47.0
stripecast_log_seconds{channel="cam",stripe="0"} 5.25
stripecast_log_seconds{channel="cam",stripe="1"} 5.5
stripecast_refused_children_total{channel="cam",reason="full"} 48.0
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


def test_a_scrape_shows_every_figure_under_its_name() -> None:
    assert sorted(samples(scrape(Figures())).splitlines()) == sorted(SAMPLES.splitlines())


def test_every_figure_is_explained_and_has_a_type() -> None:
    text = scrape(Figures())
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP ")}
    assert named == set(kinds)
    assert kinds["stripecast_delay_seconds"] == kinds["stripecast_stall_seconds"] == "histogram"
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
        holes=[],
        attached=[],
        standbys=[],
        behind=[],
        log_bytes=[],
        log_seconds=[],
        skips=[],
        detached={},
    )
    text = samples(scrape(empty))
    assert 'stripecast_packets_delivered_total{channel="cam"} 0.0\n' in text
    assert "stripe=" not in text


def test_one_channel_name_at_two_server_proxies_is_one_series() -> None:
    """Prometheus refuses a scrape with two samples of the same labels."""
    other = Figures(joined=False, behind=[0.125, 0.75])
    lines = [line for line in scrape(Figures(), other).splitlines() if line[0] != "#"]
    names = [line.rpartition(" ")[0] for line in lines]
    assert len(set(names)) == len(names)
    assert 'stripecast_packets_delivered_total{channel="cam"} 34.0' in lines
    assert 'stripecast_delay_seconds_bucket{channel="cam",le="+Inf"} 12.0' in lines
    assert 'stripecast_delay_seconds_sum{channel="cam"} 0.5' in lines


def test_of_two_server_proxies_the_worse_state_is_shown() -> None:
    other = Figures(joined=False, behind=[0.125, 0.75])
    text = scrape(Figures(), other)
    assert 'stripecast_joined{channel="cam"} 0.0\n' in text
    assert 'stripecast_control_up{channel="cam"} 1.0\n' in text
    assert 'stripecast_attached{channel="cam",stripe="0"} 1.0\n' in text
    assert 'stripecast_parent_lag_seconds{channel="cam",stripe="0"} 0.25\n' in text
    assert 'stripecast_parent_lag_seconds{channel="cam",stripe="1"} 0.75\n' in text


def test_the_rtsp_server_shows_what_it_counts() -> None:
    stats = ServerStats(
        connections=1,
        connections_refused=2,
        sessions=3,
        packets_sent=4,
        packets_dropped=5,
        packets_skipped=6,
        skips=7,
    )
    registry = CollectorRegistry()
    registry.register(PlayerMetrics(stats))
    stats.sessions = 8
    assert samples(generate_latest(registry).decode()).splitlines() == [
        "stripecast_rtsp_connections 1.0",
        "stripecast_rtsp_connections_refused_total 2.0",
        "stripecast_rtsp_sessions 8.0",
        "stripecast_rtsp_sent_packets_total 4.0",
        "stripecast_rtsp_dropped_packets_total 5.0",
        "stripecast_rtsp_skipped_packets_total 6.0",
        "stripecast_rtsp_skips_total 7.0",
    ]
