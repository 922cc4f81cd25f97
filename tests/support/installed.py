"""What a test needs from the machine: said once, skipped with a reason, never skipped in CI."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's interpreter, which has gi."""


@functools.cache
def _has_gst() -> bool:
    code = (
        "import gi\nfor m in ('Gst', 'GstRtspServer'): gi.require_version(m, '1.0')\n"
        "from gi.repository import Gst\nGst.init(None)\n"
        "needed = ('rtph264pay', 'rtspsrc', 'avdec_h264', 'appsrc')\n"
        "assert all(Gst.ElementFactory.find(e) for e in needed)"
    )
    if not Path(SYSTEM_PYTHON).exists():
        return False
    return (
        subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, check=False).returncode
        == 0
    )


def missing(*programs: str) -> list[str]:
    """Which of the programs are not there; "gst" means GStreamer with gi, server and decoders."""
    return [p for p in programs if not (_has_gst() if p == "gst" else shutil.which(p))]


def skip_because(reason: str) -> None:
    """Skip the test; in CI, where everything is to be there, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"CI lacks what this test needs: {reason}")
    pytest.skip(reason)


def skip_unless_installed(*programs: str) -> None:
    """Skip (in CI: fail) unless all of ffmpeg, mpv, vlc, gst, ip, ss … named here are installed."""
    if lacking := missing(*programs):
        skip_because(f"not installed: {', '.join(lacking)}")


def skip_unless_namespaces() -> None:
    """Skip (in CI: fail) where network namespaces with TAP devices cannot be made."""
    skip_unless_installed("ip")
    if os.geteuid() != 0:
        skip_because("network namespaces need root")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip_because("no /dev/net/tun")
