"""A copy of this machine whose changes are thrown away: a place to install for real.

An overlay over `/` in a mount namespace of its own: dpkg, make and systemd see the whole machine,
and what they change is gone when the holder of the namespace ends. Network and processes are the
machine's own. An overlay shows one file system: of other mounts, what is needed is put in, to read.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.installed import skip_because, skip_unless_installed
from tests.support.sources import ROOT

_MOUNT = """
mount -t tmpfs -o size=3g tmpfs "$1/layers"
mkdir "$1/layers/upper" "$1/layers/work" "$1/layers/root"
root=$1/layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layers/upper,workdir=$1/layers/work" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
folder=$1
shift
for place in "$@"; do
    if [ "$(findmnt -no TARGET -T "$place")" = / ]; then continue; fi
    if [ -d "$place" ]; then
        mkdir -p "$root$place"
    else
        mkdir -p "$root${place%/*}"
        touch "$root$place"
    fi
    mount --bind "$place" "$root$place"
    mount -o remount,bind,ro "$root$place"
done
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
echo mounted
exec cat
"""


class OtherRoot:
    """Use as `with`. `folder` is seen inside under its own name, all else is a copy.

    `needed` are places that must be seen, as the project and the interpreter are, on any mount.
    """

    def __init__(self, folder: Path, *needed: Path) -> None:
        """Mount it. Skips (in CI: fails) where that is not permitted."""
        skip_unless_installed("unshare", "nsenter", "chroot")
        if os.geteuid() != 0:
            skip_because("a root of its own needs root")
        (folder / "layers").mkdir()
        self.path = folder / "layers" / "root"
        python = Path("/usr/bin/python3").resolve().parents[1]
        places = [ROOT, Path("/etc/hosts"), *([] if python == Path("/usr") else [python]), *needed]
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _MOUNT]
        self._holder = subprocess.Popen(
            [*argv, "sh", str(folder), *map(str, places)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != "mounted\n":
            skip_because(f"no overlay can be mounted here: {self._holder.communicate()[1]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()

    def outside(self, *argv: str) -> list[str]:
        """Return a command line that sees the mounts, and the machine as it is."""
        return ["nsenter", f"--target={self._holder.pid}", "--mount", "--", *argv]

    def command(self, argv: Sequence[str]) -> list[str]:
        """Return a command line that runs `argv` inside, in `/`, with a plain environment."""
        inside = ["chroot", str(self.path), "env", "-i", "LC_ALL=C.UTF-8"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return self.outside(*inside, path, *argv)

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `argv` inside; its standard error is in its output. Fails where it fails."""
        done = subprocess.run(
            self.command(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert not check or done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}"
        return done

    def daemon(self, argv: Sequence[str]) -> list[str]:
        """Wrap a daemon of `tests.support.daemons`: run the installed command of that name."""
        name = argv[argv.index("-m") + 1]
        return self.command([name, *argv[argv.index("-m") + 2 :]])


_SCRIPT, _SAID, _UNIT = "/root/script", "/root/said", "/etc/systemd/system/script.service"
"""Where systemd-nspawn mounts nothing of its own."""

_RUNS = f"""[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash {_SCRIPT}
StandardOutput=file:{_SAID}
ExecStopPost=/bin/systemctl --no-block poweroff
"""


def boot(root: OtherRoot, script: str, timeout: float) -> dict[str, str]:
    """Boot a systemd that sees `root`, and no network; return the `name=value` that `script` says.

    The machine is halted when the script has ended, or after `timeout` seconds.
    """
    for text, place in ((script, _SCRIPT), (_RUNS, _UNIT)):
        root.run("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, place)
    wants = "/etc/systemd/system/multi-user.target.wants"
    root.run("mkdir", "-p", wants)
    root.run("ln", "-sf", _UNIT, wants)
    # nspawn brings its own.
    for name in ("proc", "dev"):
        subprocess.run(root.outside("umount", "--recursive", str(root.path / name)), check=True)
    nspawn = ["systemd-nspawn", "--directory", str(root.path), "--boot", "--private-network"]
    done = subprocess.run(
        root.outside("timeout", str(timeout), *nspawn, "--register=no", "--keep-unit", "--quiet"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = root.run("cat", _SAID, check=False).stdout
    assert "\nend=" in said, said + done.stdout + done.stderr
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
