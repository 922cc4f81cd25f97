"""What `clientproxy watch` says while it joins: one line for each step, and why it takes long.

Rules
-----
1. Each step is said once, when it is done; what is in the way is said when it changes.
2. Nobody waits for longer than `QUIET` seconds without a word.
"""

from dataclasses import dataclass

from common.words import short, time

QUIET = 2.0
"""Seconds without a line after which it is said what is being waited for."""
REACHED_WITHIN = 5.0
"""Seconds that the server proxy has to find out whether others can reach this node."""


@dataclass(frozen=True, slots=True)
class Parent:
    """Who feeds a stripe."""

    node: str
    address: str
    rtt: float
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How far a node is."""

    node: str | None = None
    """Its id; None before the first Offer."""
    reachable: bool = True
    """Other nodes can reach it."""
    parents: tuple[Parent | None, ...] = ()
    """By stripe."""
    source_up: bool = False
    source_trouble: str = ""
    """Why the source does not play, and since when."""
    trouble: str | None = None
    """Why the server proxy cannot be had, or does not take the node."""
    delivered: bool = False
    """A packet has come."""


class Progress:
    """Turns what is seen of a node into lines."""

    def __init__(self, server: str, channel: str, port: int, now: float) -> None:
        """Begin at `now`; `port` is the overlay port of this node."""
        self._server, self._channel, self._port = server, channel, port
        self._began = self._said_at = now
        self._told: set[str] = set()
        self._in_the_way = ""
        self.done = False
        """The first packet has come."""

    def see(self, sight: Sight, now: float) -> list[str]:
        """Return what is new."""
        steps = self._steps(sight, late=now - self._began >= REACHED_WITHIN)
        lines = [line for key, line in steps.items() if key not in self._told]
        self._told.update(steps)
        obstacle = self._obstacle(sight)
        if obstacle != self._in_the_way:
            if obstacle:
                lines.append(obstacle)
            elif "does not play" in self._in_the_way:
                lines.append("the source plays")
            elif self.done or not lines:  # else that it has joined says it
                lines.append("the server proxy is there again")
            self._in_the_way = obstacle
        if sight.delivered and all(sight.parents) and not self.done and not obstacle:
            self.done = True
            lines.append(f"first picture after {time(now - self._began)}")
        if not lines and not self.done and now - self._said_at >= QUIET:
            lines.append(f"still {self._waiting(sight)} ({now - self._began:.0f} s)")
        if lines:
            self._said_at = now
        return lines

    def _steps(self, sight: Sight, *, late: bool) -> dict[str, str]:
        """Return all that is done so far, by what it is; what changes once it plays is no step."""
        steps = {"": f"reaching server proxy {self._server} for channel {self._channel}"}
        if not sight.reachable and late:
            steps["port"] = (
                "no other node can reach this machine, so it passes nothing on: open TCP port"
                f" {self._port} if you can"
            )
        if sight.node is None or self.done:
            return steps
        steps[sight.node] = f"joined as {short(sight.node)}"
        for stripe, parent in enumerate(sight.parents):
            if parent is not None:
                name = "the server proxy" if parent.node == "root" else short(parent.node)
                steps[f"{stripe} {parent.node}"] = (
                    f"stripe {stripe} from {name}, {parent.address} ({time(parent.rtt)})"
                )
        return steps

    def _obstacle(self, sight: Sight) -> str:
        if sight.trouble:
            return f"{sight.trouble}; trying again"
        if sight.node is not None and not sight.source_up and sight.source_trouble:
            return f"the source does not play: {sight.source_trouble}; waiting for it"
        return ""

    def _waiting(self, sight: Sight) -> str:
        if sight.node is None:
            return f"trying to join at {self._server}"
        if not sight.source_up:
            return "waiting for the source"
        for stripe, parent in enumerate(sight.parents):
            if parent is None:
                return f"looking for somebody who has a slot in stripe {stripe}"
        return "waiting for the first picture"
