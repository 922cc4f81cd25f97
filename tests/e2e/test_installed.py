"""What operators get: `make install`, `make uninstall` and a Debian package, really installed."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import ClientProxy, ServerProxy
from tests.support.documents import walked
from tests.support.fleet import FULL
from tests.support.installed import skip_unless_installed
from tests.support.other_root import OtherRoot, boot
from tests.support.players import FfmpegPlayer, harm
from tests.support.sources import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

PYTHON = "/usr/bin/python3"
DATA = Path(__file__).parent / "data"
OPERATIONS = ROOT / "docs" / "operations.md"
KEPT = "log_level: debug # mine\n"


def make(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["make", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the venv and the man pages, made once for all tests: it takes most of the time."""
    folder = tmp_path_factory.mktemp("built app")  # a space: a shebang cannot have one
    # Others, who play, go before.
    build = ["nice", "-n", "5", str(ROOT / "scripts" / "build-app"), PYTHON, str(folder)]
    subprocess.run(build, check=True, timeout=580)
    return folder


@pytest.fixture(scope="module")
def deb(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package; `make test-full` builds it from nothing."""
    skip_unless_installed("dpkg-buildpackage", "dh")
    folder = tmp_path_factory.mktemp("deb")
    make("deb", f"DIST={folder}", *([] if FULL else [f"BUILT={built}"]))
    (file,) = folder.glob("*.deb")
    return file


@pytest.fixture
def root(tmp_path: Path, built: Path) -> Iterator[OtherRoot]:
    with OtherRoot(tmp_path, built) as other:
        yield other


def test_the_venv_holds_what_the_lock_file_names_and_no_more(built: Path) -> None:
    (site,) = (built / "venv" / "lib").glob("python*/site-packages")
    there = {re.split("-[0-9]", one.name)[0].lower() for one in site.glob("*.dist-info")}
    named = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert {one.replace("_", "-") for one in there} == {*named, "stripecast"}
    made = os.fsencode(built)
    named_where_it_was_made = [
        file
        for folder in ("bin", "lib")
        for file in (built / "venv" / folder).rglob("*")
        if file.suffix != ".so" and file.is_file() and made in file.read_bytes()
    ]
    assert named_where_it_was_made == []
    shebang = (built / "venv" / "bin" / "serverproxy").read_text().splitlines()[0]
    assert shebang == "#!/opt/stripecast/bin/python"


def test_install_and_uninstall_below_destdir(built: Path, tmp_path: Path) -> None:
    """Nothing that the operator wrote is ever changed, or removed."""
    dest = tmp_path / "dest dir"
    into = (f"DESTDIR={dest}", f"BUILT={built}")
    assert "kept" not in make("install", *into, "SYSTEMD_VERSION=252")
    units = dest / "usr/local/lib/systemd/system"
    assert {file.name for file in units.iterdir()} == {
        "serverproxy.service",
        "clientproxy@.service",
    }
    for command in ("serverproxy", "clientproxy"):
        assert (dest / f"usr/local/share/man/man1/{command}.1").exists()
        assert os.readlink(dest / "usr/local/bin" / command) == f"/opt/stripecast/bin/{command}"
        bash = dest / "usr/local/share/bash-completion/completions" / command
        subprocess.run(["bash", "-n", bash], check=True)
        assert f"_shtab_{command} {command}" in bash.read_text()
    share = dest / "usr/local/share/stripecast"
    for name in ("prometheus", "grafana"):
        assert _texts(share / name) == _texts(ROOT / "config" / name)
    doc = dest / "usr/local/share/doc/stripecast"
    assert {"serverproxy.yaml", "clientproxy.schema.json", "README.md"} < set(_texts(doc))
    assert "troubleshooting.md" in _texts(doc / "docs")
    etc = dest / "etc/stripecast"
    assert (etc / "clientproxy/default.yaml").read_text() == (
        ROOT / "config" / "clientproxy.yaml"
    ).read_text()

    (etc / "serverproxy.yaml").write_text(KEPT)
    (etc / "clientproxy/mine.yaml").write_text(KEPT)
    (units / "serverproxy.service.d").mkdir()
    (units / "serverproxy.service.d/mine.conf").write_text("[Service]\n")
    (dest / "opt/stripecast/left-from-before").touch()
    for folder in (doc, share / "prometheus"):
        (folder / "mine").write_text(KEPT)
    said = make("install", *into, "SYSTEMD_VERSION=254")
    assert said.count("is kept as it is") == 1
    assert f"{etc}/serverproxy.yaml is kept as it is" in said
    assert not (dest / "opt/stripecast/left-from-before").exists()
    for unit in ("serverproxy.service", "clientproxy@.service"):
        assert "RestartSteps=" in (units / f"{unit}.d" / "backoff.conf").read_text()

    (dest / "usr/local/bin/clientproxy").unlink()
    (dest / "usr/local/bin/clientproxy").symlink_to("/somewhere/else")
    said = make("uninstall", f"DESTDIR={dest}")
    assert f"your configuration stays: {etc}" in said
    left = {str(file.relative_to(dest)) for file in dest.rglob("*") if not file.is_dir()}
    assert left == {
        "etc/stripecast/serverproxy.yaml",
        "etc/stripecast/clientproxy/default.yaml",
        "etc/stripecast/clientproxy/mine.yaml",
        "usr/local/bin/clientproxy",
        "usr/local/share/doc/stripecast/mine",
        "usr/local/share/stripecast/prometheus/mine",
        "usr/local/lib/systemd/system/serverproxy.service.d/mine.conf",
    }
    assert (etc / "serverproxy.yaml").read_text() == KEPT
    assert not (share / "grafana").exists()


def _texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["DESTDIR=relative"], "DESTDIR=relative is not an absolute path"),
        (["PREFIX=relative"], "PREFIX=relative is not an absolute path"),
        (["UNITDIR=relative"], "UNITDIR=relative is not an absolute path"),
        (["PYTHON=/bin/false"], "/bin/false is not Python 3.11 or newer"),
    ],
)
def test_install_refuses_in_a_sentence(tmp_path: Path, arguments: list[str], fault: str) -> None:
    command = ["make", "install", f"DESTDIR={tmp_path}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"install: {fault}" in done.stderr


@pytest.mark.parametrize("place", ["opt/stripecast/file", "usr/local/bin/clientproxy"])
def test_install_leaves_what_is_not_stripecast(tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    command = ["make", "install", f"DESTDIR={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert re.search("install: .* is there and is not .*: move it away", done.stderr)
    subprocess.run(["make", "uninstall", f"DESTDIR={tmp_path}"], cwd=ROOT, check=False)
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [file]


@pytest.mark.parametrize("key", ["DESTDIR", "PREFIX", "UNITDIR"])
def test_uninstall_takes_absolute_paths_only(key: str, tmp_path: Path) -> None:
    arguments = [f"DESTDIR={tmp_path}"] if key != "DESTDIR" else []
    command = ["make", "uninstall", *arguments, f"{key}=relative"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"uninstall: {key}=relative is not an absolute path" in done.stderr


_SYSTEMD_RUNS = r"""
mkdir -p /run/systemd/system /etc/systemd/system/multi-user.target.wants
cd /etc/systemd/system/multi-user.target.wants
ln -s /usr/local/lib/systemd/system/clientproxy@.service clientproxy@front.service
printf '#!/bin/sh\necho "$*" >>/root/asked\n' >/usr/local/sbin/systemctl
chmod +x /usr/local/sbin/systemctl
"""
"""So it looks to a script: an instance is started at boot, and `systemctl` notes its arguments."""


def test_make_install_without_destdir_works_at_its_place(built: Path, root: OtherRoot) -> None:
    root.run("make", "-C", str(ROOT), "install", f"BUILT={built}")
    for command in ("serverproxy", "clientproxy"):
        assert root.run(command, "--version").stdout.startswith(f"{command} (Stripecast) ")
        page = root.run("man", "--where", command).stdout
        assert page.startswith("/usr/local/")
        assert page.endswith(f"/man/man1/{command}.1\n")
    root.run("serverproxy", "check", "/etc/stripecast/serverproxy.yaml")
    root.run("clientproxy", "check", "/etc/stripecast/clientproxy/default.yaml")
    verify = ("systemd-analyze", "verify", "serverproxy.service", "clientproxy@default.service")
    # Man pages and programs are found, too; units of others are none of ours.
    assert not re.search("(server|client)proxy", root.run(*verify).stdout)
    root.run("sh", "-euc", _SYSTEMD_RUNS)
    root.run("make", "-C", str(ROOT), "uninstall")
    assert root.run("sh", "-c", "command -v serverproxy", check=False).returncode != 0
    assert root.run("cat", "/root/asked").stdout.splitlines() == [
        "disable --now --quiet serverproxy.service",
        "stop clientproxy@*.service",
        "disable --quiet clientproxy@front.service",
        "daemon-reload",
    ]


def test_the_package_is_installed_runs_and_goes(deb: Path, root: OtherRoot, tmp_path: Path) -> None:
    """The installed daemons feed a player; removing keeps the configuration, purging does not."""
    (tmp_path / deb.name).write_bytes(deb.read_bytes())
    dpkg = ("dpkg", "--force-unsafe-io")  # all of it is thrown away
    root.run(*dpkg, "--install", str(tmp_path / deb.name))
    assert root.run("dpkg", "--verify", "stripecast").stdout == ""
    root.run("systemd-analyze", "verify", "serverproxy.service", "clientproxy@default.service")
    root.run("test", "-r", "/usr/share/stripecast/prometheus/stripecast.rules.yml")
    root.run("test", "-r", "/usr/share/stripecast/grafana/stripecast.json")

    server = ServerProxy(tmp_path, {"cam": "testcard:"}, wrap=root.daemon)
    client = ClientProxy(tmp_path, server.overlay, wrap=root.daemon)
    client.wait_ready()
    played = FfmpegPlayer(client.url("cam"), tmp_path, 4).result()
    assert played.pictures > 40, str(played)
    assert not harm(played.faults), str(played)
    assert "/opt/stripecast/bin/python" in Path(f"/proc/{server.pid}/cmdline").read_text()
    client.stop()
    server.stop()

    root.run("sh", "-c", f"echo '{KEPT}' >>/etc/stripecast/serverproxy.yaml")
    root.run(
        "cp", "/etc/stripecast/clientproxy/default.yaml", "/etc/stripecast/clientproxy/my.yaml"
    )
    root.run(*dpkg, "--remove", "stripecast")
    assert KEPT in root.run("cat", "/etc/stripecast/serverproxy.yaml").stdout
    root.run(*dpkg, "--purge", "stripecast")
    left = root.run("find", "/etc/stripecast", "/opt", "/usr/bin", "-newer", str(deb)).stdout
    assert "/etc/stripecast/clientproxy/my.yaml" in left
    assert "serverproxy" not in left


def walk() -> str:
    """Return the script, with what docs/operations.md says put in."""
    text = OPERATIONS.read_text().partition("\n## systemd\n")[2]
    first, second = walked()
    (ini,) = re.findall(r"^```ini\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (port,) = re.findall(r"^\| a port below 1024.*?\| (.*) \|$", text, re.MULTILINE)
    script = (DATA / "in_systemd.sh").read_text()
    for place, words in (
        ("@FIRST@", first),
        ("@SECOND@", second),
        ("@INI@", ini),
        ("@PORT@", " ".join(re.findall(r"`(\w+=\w+)`", port))),
    ):
        assert script.count(place) == 1
        script = script.replace(place, words)
    return script


@pytest.mark.alone
@pytest.mark.skipif(not FULL, reason="boots a systemd: make test-full")
def test_systemd_runs_watches_reloads_and_restarts(deb: Path, tmp_path: Path) -> None:
    """A systemd of its own, with the units as they are: sandbox, user, watchdog, credentials."""
    skip_unless_installed("systemd-nspawn", "ffmpeg")
    (tmp_path / deb.name).write_bytes(deb.read_bytes())
    with OtherRoot(tmp_path) as root:
        root.run("dpkg", "--force-unsafe-io", "--install", str(tmp_path / deb.name))
        said = boot(root, walk(), timeout=240)
    for unit in ("serverproxy", "clientproxy@one", "clientproxy@two"):
        assert said[f"{unit} active"] == "active"
        assert said[f"{unit} user"] not in ("", "root", "0")
    assert said["status"] == "1 of 1 sources up, 2 nodes, 0 players"
    assert int(said["packets"]) > 100
    assert said["reload"] == "0"
    assert said["reload of a bad file"].startswith("nothing reloaded: ")
    assert said["after the bad file"] == "active"
    assert said["restarts after a hang"] == "1"
    assert said["traceback of the hang"] == "1"
    assert said["first walk"] == "0 active enabled"
    assert said["credential"] == "0 active 600"
    assert said["port 554"] == "active"
    assert said["stop"] == "success"
    assert said["start of a bad file"] == "failed 0"
