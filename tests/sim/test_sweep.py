"""`python -m bench.overlay sweep`: what it measures is what happened (S29 to S35, S41, Z43)."""

from pathlib import Path

import pytest

from bench import overlay
from bench.overlay import SWEEP, carry_out_sweep
from bench.sim.pictures import read
from bench.sim.sweep import Row, Sweep, faults

CHAIN = 5
SHORT = Sweep(
    seconds=4.0, sizes=(6, 12), nodes=12, losses=(0.0, 0.05), killed=(0.5,), seeds=1, chain=CHAIN
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("sweep") / "results"
    carry_out_sweep(SHORT, into)
    return into


def rows(folder: Path, part: str) -> list[dict[str, str]]:
    return [row for row in read(folder / SWEEP) if row["part"] == part]


def test_the_command_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Sweep, Path]] = []
    monkeypatch.setattr(overlay, "carry_out_sweep", lambda *about: asked.append(about))
    monkeypatch.setattr("logging.disable", lambda _level: None)
    monkeypatch.setattr("sys.argv", ["overlay", "sweep", "--seed", "3", "--folder", str(tmp_path)])
    overlay.main()
    assert asked == [(Sweep(seed=3), tmp_path)]


def test_it_leaves_a_table_and_a_picture(folder: Path) -> None:
    assert {row["part"] for row in read(folder / SWEEP)} == {
        "size", "loss", "killed", "shape", "hops"
    }  # fmt: skip
    assert (folder / "sweep.png").stat().st_size > 10_000


def test_each_size_has_its_figures(folder: Path) -> None:
    sizes = rows(folder, "size")
    assert [row["nodes"] for row in sizes] == ["6", "12"]
    for row in sizes:
        assert 0 < float(row["parents_p50"]) <= float(row["parents_p95"])
        assert 0 < float(row["first_p50"]) <= float(row["first_p95"])
        assert 0 < int(row["height"]) <= int(row["height_bound"]) + 2
        # A report and its answer, each two seconds; joins and repairs besides.
        assert 1.0 <= float(row["messages"]) <= 5.0


def test_only_a_star_costs_the_source_a_copy_for_each_node(folder: Path) -> None:
    shapes = {row["case"]: row for row in rows(folder, "shape")}
    for where in ("near", "far"):
        assert float(shapes[f"star, {where}"]["copies"]) == pytest.approx(CHAIN, rel=0.01)
        assert shapes[f"star, {where}"]["height"] == "1"
        for shape in ("local tree", "local trees, two stripes", "chain"):
            assert float(shapes[f"{shape}, {where}"]["copies"]) == pytest.approx(1, rel=0.05)
        assert shapes[f"chain, {where}"]["height"] == str(CHAIN)
    for shape in ("star", "local tree", "chain"):
        near, far = (float(shapes[f"{shape}, {where}"]["delay_mean"]) for where in ("near", "far"))
        assert far - near == pytest.approx(0.035, abs=0.005)


def test_delay_adds_up_by_depth_and_loss_does_not(folder: Path) -> None:
    chains = rows(folder, "hops")
    for loss, least, most in (("0%", 0.004, 0.007), ("5%", 0.008, 0.1)):
        levels = [row for row in chains if row["case"] == loss]
        assert [int(row["depth"]) for row in levels] == list(range(1, CHAIN + 1))
        assert {row["lost"] for row in levels} == {"0"}
        assert least <= float(levels[-1]["delay_mean"]) / CHAIN <= most


def test_nodes_killed_at_one_moment_are_measured(folder: Path) -> None:
    for row in rows(folder, "killed"):
        assert 0 < float(row["recovery_p50"]) <= float(row["recovery_max"]) < 5.0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"lost": 3}, "3 packets lost"),
        ({"oldest_orphan": 5.5}, "5.5 s without a parent"),
        ({"unplaced": 1}, "1 nodes never had their parents"),
        ({"height": 11, "height_bound": 8}, "height 11, the bound is 8"),
        ({"still_moving": True}, "parents change when nothing has happened for long"),
    ],
)
def test_what_should_not_be_is_said(row: Row, said: str) -> None:
    assert faults(row) == [said]


def test_what_is_as_it_should_be_is_not() -> None:
    fine: Row = {"lost": 0, "oldest_orphan": 4.0, "unplaced": 0, "height": 10, "height_bound": 8}
    assert faults(fine | {"still_moving": False}) == []
