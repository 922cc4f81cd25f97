"""`join: redirect` with real daemons: SpreadIt's way in and its policies (S2, S9 to S27)."""

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, product
from pathlib import Path
from typing import get_args

import pytest

from common.fields import AddPolicyName, DeletePolicyName
from tests.support.capture import captures, compare_captures
from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.fleet import long
from tests.support.players import FfmpegRecorder
from tests.support.sources import GstOptions, GstSource

pytestmark = pytest.mark.e2e

VIEWERS = int(long(5, 10))
SECONDS = long(6, 20)
ADD = get_args(AddPolicyName)
DELETE = get_args(DeletePolicyName)


def _channels(url: str) -> dict[str, dict[str, object]]:
    """Return a channel for each add policy, with one stripe and with two; delete policies by turns.

    With one stripe, and redirects alone, it is SpreadIt itself.
    """
    turns = cycle(DELETE)
    return {
        f"{add}-{stripes}": {
            "source": url,
            "stripes": stripes,
            "join": "redirect",
            "add_policy": add,
            "delete_policy": next(turns),
        }
        for stripes, add in product((1, 2), ADD)
    }


def _server(folder: Path, channels: dict[str, dict[str, object]]) -> ServerProxy:
    config = folder / "serverproxy.yaml"
    config.write_text(json.dumps({"channels": channels}))  # JSON is YAML
    return ServerProxy(folder, {}, arguments=["--config", str(config)])


def _relay(folder: Path, server: ServerProxy, channels: Iterable[str]) -> ClientProxy:
    return ClientProxy(folder, server.overlay, join=list(channels))


def _children(client: ClientProxy, channel: str) -> float:
    return client.metrics().total("stripecast_children", channel=channel)


def test_an_interior_relay_dies_under_each_policy(tmp_path: Path) -> None:
    """No viewer misses a packet: they see what the source sends to whoever pulls it directly."""
    with GstSource(tmp_path, GstOptions(video="tiny", audio=None)) as source:
        channels = _channels(source.url)
        server = _server(tmp_path, channels)
        server.wait_ready()
        first = _relay(tmp_path, server, channels)
        first.wait_ready()
        others = [_relay(tmp_path, server, channels) for _ in range(VIEWERS - 1)]
        for one in others:
            one.wait_ready()
        # Unless another is nearer by so much, it is next to the server proxy in all channels.
        assert all(_children(first, one) for one in channels if not one.startswith("knock_down"))
        urls = [one.url(channel) for one in others for channel in channels]
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(captures, [(url, "tcp") for url in (source.url, *urls)], SECONDS)
            time.sleep(SECONDS / 2)
            first.kill()
            direct, *got = watching.result()
        verdicts = [compare_captures(direct, one, ("video",), least=20) for one in got]
        faults = {
            url: str(verdict)
            for url, verdict in zip(urls, verdicts, strict=True)
            if not verdict.exact
        }
        assert faults == {}
        assert all(not one.gaps("video") for one in got)
        for one in others:
            assert one.metrics().total("stripecast_packets_lost_total") == 0
        for daemon in (*others, server):
            daemon.stop()


def test_a_player_whose_node_nobody_takes_is_told_453(tmp_path: Path) -> None:
    """The tree is full of nodes that pass nothing on. The log says who refused, and why."""
    settings = {"join": "redirect", "stripes": 1, "repair_slots": 0}
    nothing = ["--max-children", "0"]
    with GstSource(tmp_path, GstOptions(video="tiny", audio=None)) as source:
        server = _server(tmp_path, {"cam": {"source": source.url, **settings}})
        server.wait_ready()
        first = ClientProxy(tmp_path, server.overlay, join=["cam"], arguments=nothing)
        first.wait_ready()
        second = ClientProxy(tmp_path, server.overlay, arguments=nothing)
        refused = FfmpegRecorder(second.url("cam"), tmp_path, 5)
        assert refused.result().returncode != 0
        assert "453" in refused.text()
        assert "answered 453: channel cam: no parent in stripe 0 (root: full: " in second.text()
        assert "no parent in stripe 0 (root: full: " in second.text()
        first.stop()
        served = FfmpegRecorder(second.url("cam"), tmp_path, 2)
        assert served.result().returncode == 0
        for daemon in (second, server):
            daemon.stop()
