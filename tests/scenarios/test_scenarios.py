"""Runs every script beside it; what `show` says must be what the script has.

STRIPECAST_UPDATE=1 writes what they say now into the scripts: look at the difference.
"""

import os
from pathlib import Path

import pytest

from tests.support.dialogue import Dialogue

SCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scenario(script: Path) -> None:
    text = script.read_text()
    said = Dialogue().run(text)
    if os.environ.get("STRIPECAST_UPDATE"):
        script.write_text(said)
    else:
        assert said == text
