"""A source, pulled for ever: transports tried in turn, reconnects with backoff and jitter."""

import asyncio
import dataclasses
import logging
import random
import time
from typing import TYPE_CHECKING

from common.errors import SourceError
from common.liveness import Backoff
from serverproxy.core.authorization import Credentials
from serverproxy.core.events import SourceDescription, SourceSink
from serverproxy.core.rtspurl import SourceUrl, redact
from serverproxy.core.sourcestats import SourceStats
from serverproxy.net.source.faults import NoMediaError, RedirectedError, StatusError
from serverproxy.net.source.intake import Intake
from serverproxy.net.source.pull import Pull
from serverproxy.net.source.settings import SourceSettings
from serverproxy.net.source.target import Target, redirected
from serverproxy.net.source.tls import client_context

if TYPE_CHECKING:
    from serverproxy.core.media import Description

log = logging.getLogger(__name__)

_MOST_REDIRECTS = 3
_UNSUPPORTED_TRANSPORT = 461
_REPEAT_LOG_AFTER = 60.0
_STEADY_AFTER = 2.0
"""Seconds of media after which a reconnect begins with the shortest delay again."""


class Source:
    """One channel's source. `run` pulls it until cancelled."""

    def __init__(self, settings: SourceSettings, sink: SourceSink, *, channel: str) -> None:
        """Take checked settings; raises ValueError with a sentence for what is no RTSP URL."""
        self._url = SourceUrl.parse(settings.url)
        self._settings, self._sink, self._channel = settings, sink, channel
        self._shown = redact(settings.url, credentials=settings.username is not None)
        self._fields = {"channel": channel}
        self._ways = self._transports()
        self._description: Description | None = None
        self._told: dict[str, float] = {}
        self.stats = SourceStats()
        self.state = "connecting"
        """`connecting`, `up` or `down`."""
        self.last_error: str | None = None
        """Why the last pull failed or ended."""
        self._intake = Intake(sink, self.stats, self._up)
        self._up_since: float | None = None

    async def run(self) -> None:
        """Pull for ever; a pull that fails or ends is tried again."""
        backoff = Backoff()
        try:
            while True:
                self._up_since = None
                reason = await self._try_ways()
                if self._steady():
                    backoff.reset()
                    self._told.clear()
                delay = backoff.next(random.random())  # noqa: S311 - jitter, not a secret
                self._down(reason, delay)
                await asyncio.sleep(delay)
        finally:
            self.state = "down"

    def _transports(self) -> list[bool]:
        """Return for each way to try, in order, whether it is TCP."""
        if self._settings.transport == "auto":
            return [True] if self._url.scheme == "rtsps" else [True, False]
        return [self._settings.transport == "tcp"]

    def _steady(self) -> bool:
        return self._up_since is not None and time.monotonic() - self._up_since > _STEADY_AFTER

    async def _try_ways(self) -> str:
        """Pull over the first way that works; return why it ended, or why none works."""
        reasons: list[str] = []
        for tcp in list(self._ways):
            try:
                reason = await self._pull(tcp=tcp)
            except (StatusError, NoMediaError) as error:
                reasons.append(str(error))
                if isinstance(error, StatusError) and error.status != _UNSUPPORTED_TRANSPORT:
                    break
            except SourceError as error:
                reasons.append(str(error))
                break
            except Exception:
                log.exception("pulling the source failed", extra=self._fields)
                return "an internal error, which is in the log above"
            else:
                self._ways.sort(key=lambda way: way is not tcp)
                return reason
        return "; ".join(dict.fromkeys(reasons))

    async def _pull(self, *, tcp: bool) -> str:
        """Pull once, wherever redirects lead."""
        target = self._target(tcp=tcp)
        for _ in range(_MOST_REDIRECTS + 1):
            pull = Pull(target, self._intake, self.stats, self._description)
            try:
                return await pull.run()
            except RedirectedError as error:
                if not error.location:
                    raise
                url, credentials = redirected(error.location, target)
                tls = target.tls
                if tls is None and url.scheme == "rtsps":
                    tls = client_context(self._settings)
                target = dataclasses.replace(target, url=url, credentials=credentials, tls=tls)
            finally:
                if self._up_since is not None:
                    self._description = pull.description
        raise SourceError(f"the source redirects more than {_MOST_REDIRECTS} times")

    def _target(self, *, tcp: bool) -> Target:
        settings, url = self._settings, self._url
        username = url.username if settings.username is None else settings.username
        password = url.password if settings.password is None else settings.password
        return Target(
            url=url,
            credentials=None if username is None else Credentials(username, password or ""),
            tls=client_context(settings) if url.scheme == "rtsps" else None,
            fingerprint=settings.fingerprint,
            tcp=tcp,
            timeout=settings.timeout,
            channel=self._channel,
        )

    def _up(self, description: SourceDescription) -> None:
        self._up_since = time.monotonic()
        self.state, self.last_error = "up", None
        media = ", ".join(f"{track.kind} {track.codec}" for track in description.tracks)
        if self._worth_telling(media):
            log.info("source %s is up: %s", self._shown, media, extra=self._fields)

    def _down(self, reason: str, delay: float) -> None:
        self.stats.failures += 1
        news = self.state != "down" or reason != self.last_error
        self.state, self.last_error = "down", reason
        if self._worth_telling(reason):
            log.warning(
                "source %s: %s; trying again, next in %.1f s",
                self._shown,
                reason,
                delay,
                extra=self._fields,
            )
        if news:
            self._sink.source_down(reason)

    def _worth_telling(self, what: str) -> bool:
        """Tell whether a line has not been logged within the last minute."""
        now = time.monotonic()
        self._told = {text: at for text, at in self._told.items() if now - at < _REPEAT_LOG_AFTER}
        if what in self._told:
            return False
        self._told[what] = now
        return True
