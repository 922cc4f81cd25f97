"""The place where tests install for real, on a machine with several mounts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installed import skip_because, skip_unless_installed
from tests.support.sources import ROOT

pytestmark = pytest.mark.e2e

_SEES = """
import sys
from pathlib import Path
from tests.support.other_root import OtherRoot

folder, needed = Path(sys.argv[1]) / "folder", Path(sys.argv[1]) / "a place"
for place in (folder, needed):
    place.mkdir()
(needed / "file").write_text("there")
with OtherRoot(folder, needed) as root:
    assert root.run("cat", str(needed / "file")).stdout == "there"
    assert root.run("touch", str(needed / "file"), check=False).returncode != 0
    root.run("touch", str(folder / "file"))
assert (folder / "file").exists()
"""


def test_it_shows_what_lies_on_other_mounts(tmp_path: Path) -> None:
    """The checkout of CI is one, or /tmp: an overlay over `/` does not show it."""
    skip_unless_installed("unshare")
    if os.geteuid() != 0:
        skip_because("a root of its own needs root")
    mount = 'mount -t tmpfs tmpfs "$1" && exec "$2" -c "$3" "$1"'
    argv = ["unshare", "--mount", "sh", "-c", mount, "sh", str(tmp_path), sys.executable, _SEES]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    if "unshare failed" in done.stderr or "can be mounted here" in done.stderr:
        skip_because(f"no mounts are permitted here: {done.stderr}")
    assert done.returncode == 0, done.stdout + done.stderr
