"""The units for systemd, judged by systemd itself; neither judgement needs one that runs."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from common.runtime.daemon import BAD_CONFIG, GRACE
from common.runtime.notify import LOOK
from tests.support.installed import skip_unless_installed

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "config" / "systemd"
NAMES = ["serverproxy.service", "clientproxy@.service"]

each_unit = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the units as they are, but for where their programs are."""
    folder = tmp_path_factory.mktemp("units")
    for name in NAMES:
        text = (SYSTEMD / name).read_text()
        there = re.sub(r"/opt/stripecast/bin/\w+", "/bin/true", text)
        assert there.count("/bin/true") == 1
        # An instance, which is what can be started of a template.
        (folder / name.replace("@.", "@front.")).write_text(there)
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    skip_unless_installed("systemd-analyze")
    return subprocess.run(
        ["systemd-analyze", *arguments],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_finds_no_fault(units: Path) -> None:
    """Not a warning either, such as for a key that only a newer systemd knows.

    What it says of other units of the machine is none of ours.
    """
    done = analyze(units, "verify", "--man=no", *(f"./{file.name}" for file in units.iterdir()))
    said = (done.stdout + done.stderr).splitlines()
    ours = [line for line in said if re.search("(server|client)proxy", line)]
    assert (done.returncode, ours) == (0, [])


def test_systemd_would_find_one(units: Path, tmp_path: Path) -> None:
    text = (units / "serverproxy.service").read_text()
    unit = tmp_path / "serverproxy.service"
    unit.write_text(text.replace("WatchdogSec=", "WatchdogSecs="))
    said = analyze(tmp_path, "verify", "--man=no", f"./{unit.name}").stderr.splitlines()
    assert any("WatchdogSecs" in line and "serverproxy" in line for line in said)


@each_unit
def test_the_sandbox_is_tight(units: Path, name: str) -> None:
    """Exposure at most 2.0 of 10."""
    unit = str(units / name.replace("@.", "@front."))
    done = analyze(units, "security", "--offline=true", "--threshold=20", "--no-pager", unit)
    assert done.returncode == 0, done.stdout[-3000:]


def settings(name: str) -> dict[str, str]:
    lines = (SYSTEMD / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"\w+=", line))


@each_unit
def test_what_the_unit_relies_on_is_what_the_daemon_does(name: str) -> None:
    unit = settings(name)
    assert unit["Type"] == "notify"
    assert float(unit["WatchdogSec"]) >= 10 * LOOK
    assert float(unit["TimeoutStopSec"]) > GRACE
    assert unit["RestartPreventExitStatus"] == str(BAD_CONFIG)
    assert unit["DynamicUser"] == "yes"
    assert unit["ExecReload"] == "/bin/kill -HUP $MAINPID"


@each_unit
def test_the_daemon_sees_when_the_machine_booted(name: str) -> None:
    """`ProcSubset=pid` hides /proc/stat: no process_* metric then, and two alerts never fire."""
    unit = settings(name)
    assert "ProcSubset" not in unit
    assert unit["ProtectProc"] == "invisible"


def test_instances_have_files_of_their_own() -> None:
    unit = settings("clientproxy@.service")
    assert unit["ExecStart"].endswith("run --config /etc/stripecast/clientproxy/%i.yaml")


def test_the_two_units_differ_in_names_only() -> None:
    server, client = (settings(name) for name in NAMES)
    different = {key for key in server if server[key] != client[key]}
    assert server.keys() == client.keys()
    assert different == {"Description", "Documentation", "ExecStart"}
