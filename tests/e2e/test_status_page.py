"""The status pages in a real browser, on real daemons: rows Z36, Z44, Z45, S4, S36."""

import signal
import statistics
import sys
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Dialog

from tests.support.browser import Shown, chromium
from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.fleet import CHANNEL, Fleet
from tests.support.players import FfmpegRecorder
from tests.support.processes import Process, wait_until
from tests.support.sources import ROOT

pytestmark = pytest.mark.e2e

TEN = 10
SOURCE = "testcard:?size=320x180&rate=15"
TOKEN = "open-sesame-1234"
URLS = {
    ":8554": "rtsp://localhost:8554/",
    "0.0.0.0:8554": "rtsp://localhost:8554/",
    "[::]:8554": "rtsp://localhost:8554/",
    "[::1]:8554": "rtsp://localhost:8554/",
    "127.0.0.2:8554": "rtsp://127.0.0.2:8554/",
    "192.0.2.2:28517": "rtsp://192.0.2.2:28517/",
    "[2001:db8::2]:8554": "rtsp://[2001:db8::2]:8554/",
}
"""What players open, by where a client proxy listens for them."""
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def test_page_api_and_metrics_tell_the_same_with_ten_viewers_and_two_kills(
    browser: Browser, tmp_path: Path
) -> None:
    with Fleet(tmp_path, SOURCE, TEN + 2) as fleet:
        players = [
            FfmpegRecorder(one.url(CHANNEL), tmp_path, 300.0, "tcp") for one in fleet.clients[:TEN]
        ]
        fleet.settle()
        shown = Shown(browser, f"http://{fleet.server.http}/")
        shown.page.evaluate("window.notReloaded = true")
        shown.wait_text("#name", CHANNEL)
        shown.wait_text("#source", "The source plays")
        shown.wait_text("#nodes", str(TEN + 2))
        shown.wait_text("#players", str(TEN))
        _same_trees(shown, fleet)
        _same_numbers(shown, fleet.server)
        # What is pointed at says who feeds it.
        first = fleet.node(fleet.clients[0])
        shown.page.locator(f"#rows button[title='{first}']").click()
        assert "Stripe 0 from" in shown.text("#node")
        assert shown.page.locator(".dot.picked").count() == 2
        shown.shoot("server")

        for left in (TEN + 1, TEN):
            parents = {parent for tree in fleet.trees() for parent in tree.values()} - {"root"}
            by_node = fleet.by_node()
            victim = next(one for one in sorted(parents) if by_node[one] is not fleet.clients[0])
            fleet.kill(by_node[victim])
            shown.wait_text("#nodes", str(left))
            fleet.settle()
            _same_trees(shown, fleet)
            assert all(victim not in tree for tree in shown.drawn())
            assert shown.page.locator("#rows tr").count() == left
            name = victim.partition("-")[0]
            assert f"it lost {name}" in shown.text("#events")
            assert f"{name} left" in shown.text("#events")
            wait_until(partial(_players_are_told, shown, fleet), 20, "who is left has reported")
            _same_numbers(shown, fleet.server)
        assert shown.page.evaluate("window.notReloaded") is True
        shown.shoot("server-after-two-kills")
        assert shown.faults == []
        _client_page(browser, fleet)
        for player in players:
            player.terminate()


def _players_are_told(shown: Shown, fleet: Fleet) -> bool:
    """Whether the page shows as many players as there are: a node reports every 2 s."""
    there = sum(client.metrics().total("stripecast_players") for client in fleet.clients)
    return shown.text("#players") == f"{there:.0f}"


def _same_trees(shown: Shown, fleet: Fleet) -> None:
    wait_until(lambda: shown.drawn() == fleet.trees(), 30, "the trees drawn are the API's")


def _same_numbers(shown: Shown, server: ServerProxy) -> None:
    """Compare the page, the API and /metrics: the trees may change between two looks."""
    wait_until(lambda: _on_page(shown) == _in_api(server) == _in_metrics(server), 20, "all agree")
    wait_until(lambda: _sums_on_page(shown) == _sums_in_api(server), 20, "players and losses agree")


def _sums_on_page(shown: Shown) -> list[str]:
    return [shown.text(name).replace(",", "") for name in ("#players", "#lost")]


def _sums_in_api(server: ServerProxy) -> list[str]:
    api = server.api(f"channels/{CHANNEL}")
    return [str(api[name]) for name in ("players", "lost")]


def _on_page(shown: Shown) -> list[int]:
    captions = shown.page.locator("figcaption span").all_inner_texts()
    return [int(shown.text("#nodes")), *(int(one.split()[-1]) for one in captions)]


def _in_api(server: ServerProxy) -> list[int]:
    api = server.api(f"channels/{CHANNEL}")
    nodes, depths = api["nodes"], api["depths"]
    assert isinstance(nodes, dict)
    assert isinstance(depths, list)
    return [len(nodes), *(int(str(one)) for one in depths)]


def _in_metrics(server: ServerProxy) -> list[int]:
    scraped = server.metrics()
    depths = [scraped.total("stripecast_tree_depth", stripe=one) for one in ("0", "1")]
    return [int(scraped.total("stripecast_nodes")), *map(int, depths)]


def _client_page(browser: Browser, fleet: Fleet) -> None:
    client = fleet.clients[0]
    shown = Shown(browser, f"http://{client.http}/")
    shown.wait_text("h2", CHANNEL)
    shown.wait_text(".verdict .state", "All is well: every stripe comes in time.")
    assert shown.text("article code") == client.url(CHANNEL).replace("127.0.0.1", "localhost")
    shown.page.evaluate(
        "import('/web/node.js').then((module) => { window.opened = module.opened; })"
    )
    for listens, base in URLS.items():
        assert shown.page.evaluate("window.opened", listens) == base
    assert shown.text("[data-figure=players]") == "1"
    rows = shown.page.locator("tbody tr").all_inner_texts()
    for parent, row in zip(fleet.parents(client), rows, strict=True):
        assert row.split("\t")[1] == ("server proxy" if parent == "root" else parent.split("-")[0])
    shown.shoot("client")
    assert shown.faults == []
    narrow = Shown(browser, f"http://{client.http}/", width=390, scheme="dark")
    narrow.wait_text("h2", CHANNEL)
    assert narrow.fits()
    narrow.shoot("client-phone")


def test_a_channel_that_changes_its_number_of_stripes_is_drawn_anew(
    browser: Browser, tmp_path: Path
) -> None:
    """A reload, while the page is open and a node is picked: the page follows without one."""
    file = tmp_path / "serverproxy.yaml"

    def write(stripes: int) -> None:
        channel = f"{CHANNEL}: {{source: '{SOURCE}', stripes: {stripes}}}"
        file.write_text(f"channels: {{{channel}}}\n")

    write(2)
    server = ServerProxy(tmp_path, {}, arguments=["--config", str(file)])
    server.wait_ready()
    clients = [ClientProxy(tmp_path, server.overlay, join=[CHANNEL]) for _ in range(2)]
    for client in clients:
        client.wait_ready()
    shown = Shown(browser, f"http://{server.http}/")
    shown.page.evaluate("window.notReloaded = true")

    def is_drawn(stripes: int) -> bool:
        found = server.api(f"channels/{CHANNEL}")["trees"]
        assert isinstance(found, list)
        trees = [tree["parents"] for tree in found if isinstance(tree, dict)]
        drawn = shown.drawn()
        return drawn == trees and [len(tree) for tree in drawn] == [len(clients)] * stripes

    def check(stripes: int) -> None:
        wait_until(lambda: is_drawn(stripes), 60, f"{stripes} trees are drawn")
        shown.wait_text("#nodes", str(len(clients)))
        assert shown.page.locator("#rows tr").count() == len(clients)
        shown.page.locator("#rows button").first.click()
        parents = shown.page.locator("#node dt", has_text="Stripe")
        wait_until(lambda: parents.count() == stripes, 20, "the node says each stripe's parent")

    check(2)
    write(1)
    server.send(signal.SIGHUP)
    check(1)
    assert shown.page.evaluate("window.notReloaded") is True
    assert shown.faults == []
    for daemon in (*clients, server):
        daemon.stop()


def test_an_operator_has_buttons_that_ask_before_they_act(browser: Browser, tmp_path: Path) -> None:
    """Whoever may not act has none; with the token of the daemon they appear."""
    file = tmp_path / "serverproxy.yaml"
    file.write_text(f"http_token: {TOKEN}\nchannels: {{{CHANNEL}: {{source: '{SOURCE}'}}}}\n")
    server = ServerProxy(tmp_path, {}, arguments=["--config", str(file)])
    server.wait_ready()
    client = ClientProxy(tmp_path, server.overlay, join=[CHANNEL])
    client.wait_ready()
    shown = Shown(browser, f"http://{server.http}/")
    buttons = shown.page.locator("#operator button")
    shown.page.locator("#rows button").click()
    drain = buttons.filter(has_text="Drain")
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept() if len(asked) > 1 else dialog.dismiss()

    shown.page.on("dialog", answer)
    drain.click()
    assert "Nobody loses a packet" in asked[0]
    assert shown.page.locator("#operator .state").is_hidden()
    drain.click()
    shown.page.wait_for_selector("#operator .state.good")
    shown.page.wait_for_selector("#events >> text=The operator: drain")
    shown.page.wait_for_selector("#operator button >> text=have children")
    assert buttons.count() == 5
    assert shown.faults == []

    far = Shown(browser, f"http://{server.http}/", headers={"X-Forwarded-For": "192.0.2.7"})
    far.wait_text("#operator h3", "Operator")
    token = far.page.locator("#operator input")
    said = far.page.locator("#operator .state")
    assert said.is_hidden()
    for word, count in (("not-the-token-of-it", 0), (TOKEN, 1)):
        token.fill(word)
        with far.page.expect_response("**/api/v1/operator"):
            token.blur()
        wait_until(partial(_has_buttons, far, count), 20, f"{count} buttons")
        if not count:
            far.wait_text("#operator .state", "that token is not taken")
    assert said.is_hidden()
    assert far.faults == []
    client.stop()
    server.stop()


def _has_buttons(shown: Shown, count: int) -> bool:
    return shown.page.locator("#operator button").count() == count


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[str]:
    """Five hundred nodes in one channel, ten in another with a name that is no name."""
    argv = [sys.executable, "-m", "tests.support.crowd", "crowd=500", f"{EVIL}=10"]
    process = Process(argv, tmp_path / "crowd.log", {"PYTHONPATH": str(ROOT)})
    yield "http://" + process.expect(r"listening at (\S+)", 60).group(1)
    process.kill()


@pytest.mark.alone  # it measures a time, which three tests at once make ten times as long
def test_five_hundred_nodes_are_drawn_in_less_than_a_tenth_of_a_second(
    browser: Browser, crowd: str
) -> None:
    shown = Shown(browser, f"{crowd}/#crowd")
    shown.page.wait_for_function("() => performance.getEntriesByName('update').length > 6")
    assert [len(tree) for tree in shown.drawn()] == [500, 500]
    assert shown.text("#nodes") == "500"
    assert statistics.median(shown.updates()) < 250  # it is 25 on a quiet machine
    shown.shoot("crowd")
    assert shown.faults == []


@pytest.mark.parametrize("channel", ["crowd", EVIL])
def test_on_a_phone_in_the_dark_nothing_is_too_wide(
    browser: Browser, crowd: str, channel: str
) -> None:
    shown = Shown(browser, crowd, width=390, scheme="dark")
    shown.page.locator("#channels a", has_text=channel).click()
    shown.wait_text("#name", channel)
    shown.page.wait_for_selector(".edge", state="attached")
    assert shown.fits()
    ground = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, ground[4:-1].split(","))) < 64, ground
    shown.shoot(f"phone-{'crowd' if channel == 'crowd' else 'ten'}")
    # A name is text, whatever it looks like.
    assert shown.page.locator("main img, nav img").count() == 0
    if channel == EVIL:
        _close_both(shown, crowd)
    assert shown.faults == []


def _close_both(shown: Shown, crowd: str) -> None:
    """See what the page says of a channel that was closed, of one that never was, and of none."""

    def close(name: str) -> None:
        url = f"{crowd}/api/v1/channels/{quote(name)}/close"
        assert shown.page.request.post(url, data={}).status == HTTPStatus.ACCEPTED

    def says(name: str, sentence: str) -> None:
        shown.wait_text("#name", name)
        shown.page.wait_for_selector(f"#source.bad >> text={sentence}")
        assert shown.page.locator("main > :visible").count() == 1
        assert shown.page.locator(".edge").count() == 0
        shown.wait_text("#link", "live")
        assert shown.fits()

    close(EVIL)
    says(EVIL, "There is no channel of this name: it was closed")
    shown.shoot("closed")
    shown.page.locator("#channels a", has_text="crowd").click()
    shown.wait_text("#nodes", "500")
    shown.page.evaluate("location.hash = '#crwod'")
    says("crwod", "There is no channel of this name: it was closed")
    assert shown.page.locator("#channels a").all_inner_texts() == ["crowd"]
    shown.shoot("mistyped")
    close("crowd")
    says("crwod", "No channel is served: it was closed, or the configuration has none.")
    assert shown.page.locator("#channels").is_hidden()
    shown.shoot("no-channel")


def test_a_page_says_that_its_daemon_is_gone_and_comes_back_with_it(
    browser: Browser, tmp_path: Path
) -> None:
    server = ServerProxy(tmp_path, {CHANNEL: SOURCE})
    server.wait_ready()
    shown = Shown(browser, f"http://{server.http}/")
    shown.wait_text("#link", "live")
    address = server.http
    server.stop()
    shown.wait_text("#link", "no connection to the daemon; trying again")
    again = ServerProxy(tmp_path, {CHANNEL: SOURCE}, arguments=["--http", address])
    again.wait_ready()
    shown.wait_text("#link", "live")
    again.stop()
