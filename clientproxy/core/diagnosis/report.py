"""The diagnosis as text for people and as JSON for machines."""

import textwrap
from collections.abc import Iterator

import msgspec

from clientproxy.core.diagnosis.diagnose import Diagnosis
from clientproxy.core.diagnosis.finding import Finding
from clientproxy.core.diagnosis.measured import Measured
from common.words import escaped_json

WIDTH = 100
_LEVEL, _TOPIC = 14, 12


def text(diagnosis: Diagnosis) -> str:
    """Return all findings and the verdict, in lines of at most `WIDTH` characters."""
    lines = [line for finding in diagnosis.findings for line in _finding(finding)]
    return "\n".join([*lines, "", *_verdict(diagnosis.verdict), ""])


def _finding(finding: Finding) -> Iterator[str]:
    margin = " " * (_LEVEL + _TOPIC)
    head = f"{finding.level:<{_LEVEL}}{finding.topic:<{_TOPIC}}"
    yield from textwrap.wrap(
        f"{finding.what} {finding.meaning}".strip(),
        WIDTH,
        initial_indent=head,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    if finding.advice:
        yield from textwrap.wrap(
            finding.advice,
            WIDTH,
            initial_indent=f"{margin}→ ",
            subsequent_indent=f"{margin}  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def _verdict(verdict: str) -> list[str]:
    """Return one line, however long: who looks for it finds it whole."""
    return [f"verdict: {verdict}"]


def json(diagnosis: Diagnosis, measured: Measured) -> str:
    """Return verdict, level, findings and all figures as one JSON object."""
    whole = {
        "level": diagnosis.level,
        "verdict": diagnosis.verdict,
        "findings": diagnosis.findings,
        "measured": measured,
    }
    document = msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()
    return escaped_json(document) + "\n"
