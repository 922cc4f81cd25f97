"""The ports of this machine: free, or whose."""

from collections.abc import Iterator

from clientproxy.core.diagnosis.finding import Finding
from clientproxy.core.diagnosis.measured import Measured, Port


def ports(measured: Measured) -> Iterator[Finding]:
    """Judge whether `clientproxy run` could open its ports here."""
    ours = [one for one in measured.ports if one.state == "client proxy"]
    if ours:
        names = ", ".join(f"{one.key} {one.address}" for one in ours)
        yield Finding(
            level="ok",
            topic="ports",
            what=f"A client proxy runs here already and has these ports: {names}.",
            meaning="This test took others, and did not disturb it.",
        )
    for one in measured.ports:
        if one.state == "another client proxy":
            yield _busy(one)
        if one.state in {"taken", "impossible"}:
            yield _clash(one)
    if measured.ports and all(one.state == "free" for one in measured.ports):
        names = ", ".join(f"{one.key} {one.address}" for one in measured.ports)
        yield Finding(level="ok", topic="ports", what=f"The ports are free here: {names}.")


def _busy(one: Port) -> Finding:
    return Finding(
        level="warning",
        topic="ports",
        what=f"Another `clientproxy` has the port of `{one.key}`: {one.address}.",
        meaning="Another doctor, perhaps: then the port is free when that has ended. Beside a"
        " `clientproxy run` one more would not start.",
        advice="Ask again in half a minute; if it still has the port, choose another one:"
        f" `clientproxy run … --{one.key} HOST:PORT`.",
    )


def _clash(one: Port) -> Finding:
    if one.state == "taken":
        what = f"Another program has the port of `{one.key}`: {one.address}."
        advice = f"End it, or choose another port: `clientproxy run … --{one.key} HOST:PORT`."
    else:
        what = f"The port of `{one.key}`, {one.address}, cannot be opened: {one.why}."
        advice = f"Choose another one: `clientproxy run … --{one.key} HOST:PORT`."
    return Finding(
        level="problem",
        topic="ports",
        what=what,
        meaning="`clientproxy run` with this configuration would not start.",
        advice=advice,
    )
