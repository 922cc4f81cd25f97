"""All findings, and one line that says what limits you.

Rules
-----
1. The verdict is the first problem, or else the first warning, or else that all is well: findings
   stand in the order in which they follow from each other.
2. What was not measured is said, not guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from clientproxy.core.diagnosis import ports, reach, stream
from clientproxy.core.diagnosis.finding import Finding, Level
from clientproxy.core.diagnosis.measured import Measured
from common.words import rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What the doctor says."""

    level: Level
    """The worst of all findings: ok, warning or problem."""
    verdict: str
    findings: Sequence[Finding]

    @property
    def exit_code(self) -> int:
        """0: this machine can watch; 1: it cannot, or badly."""
        return 1 if self.level == "problem" else 0


def diagnose(measured: Measured) -> Diagnosis:
    """Judge what was measured."""
    findings = [
        *reach.server(measured.server),
        *ports.ports(measured),
        *reach.channel(measured),
        *stream.of_sample(measured),
        *reach.reachable(measured),
        *stream.round_trip(measured.round_trips),
        *stream.clock(measured.clock),
    ]
    problems = [one for one in findings if one.level == "problem"]
    warnings = [one for one in findings if one.level == "warning"]
    if problems:
        return Diagnosis(level="problem", verdict=_worst(problems), findings=findings)
    if warnings:
        worst = _worst(warnings)
        verdict = f"You can watch{_channel(measured)}, but {worst[:1].lower()}{worst[1:]}"
        return Diagnosis(level="warning", verdict=verdict, findings=findings)
    return Diagnosis(level="ok", verdict=_well(measured), findings=findings)


def _worst(found: Sequence[Finding]) -> str:
    more = len(found) - 1
    also = f" (and {more} more)" if more else ""
    return f"{found[0].what}{also}"


def _channel(measured: Measured) -> str:
    return "" if measured.sample is None else f" {measured.sample.channel}"


def _well(measured: Measured) -> str:
    sample = measured.sample
    if sample is None or not sample.offered:
        return "The server proxy can be reached; no stream was looked at."
    needed = stream.needs(sample)
    at = "" if needed is None else f" at {rate(needed)}"
    gives = "" if reach.same_machine(measured.server) else "; you can pass it on"
    return f"Nothing limits you: {sample.channel} comes in time{at}{gives}."
