"""The channels that are served: a reload opens, changes and closes them, each by itself.

Rules
-----
1. What could fail is made first: a reload happens as a whole, or not at all.
2. A channel that has not changed is not touched.
3. A key whose change needs a restart keeps its value, and is named at each reload until then.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from common.errors import ConfigError
from common.runtime.capture import Capture
from common.runtime.keys import ByEffect, changes, follow, take, tell
from common.runtime.metrics import LoopLag
from common.runtime.tasks import Tasks
from serverproxy.config import ChannelConfig, ServerConfig
from serverproxy.net.channel import Channel, Pulls

log = logging.getLogger(__name__)

T = TypeVar("T")

CLOSED = "channel {name} was closed by the operator of the server proxy"


class ServedChannels:
    """All channels of the server proxy, and the configuration that they follow."""

    def __init__(self, config: ServerConfig, tasks: Tasks) -> None:
        """Prepare those of `config`; `open` pulls their sources."""
        self.by_name: dict[str, Channel] = {}
        """What is served now; others hold this mapping."""
        self.config = config
        """What is in force: keys that need a restart have the value of the start."""
        self._ending: dict[str, Pulls] = {}
        """What still hangs up at the sources of channels that were closed."""
        self.capture = Capture()
        self._tasks = tasks
        instance_us = time.time_ns() // 1000
        for name, channel in config.channels.items():
            self.by_name[name] = self._new(name, channel, instance_us=instance_us)

    def open(self) -> None:
        """Pull all sources."""
        for name, channel in self.by_name.items():
            self._open(name, channel)

    def tick(self, seconds: float, lag: LoopLag) -> None:
        """Do what is due; `seconds`: since last time. A bug in one channel is counted in `lag`."""
        for name, channel in list(self.by_name.items()):
            with lag.part({"channel": name}):
                channel.control.tick()
            with lag.part({"channel": name}):
                channel.feed.downlink.tick(seconds)

    def close(self) -> None:
        """End all links: the process ends."""
        for channel in self.by_name.values():
            channel.close()

    def close_one(self, name: str) -> None:
        """Close a channel by the operator's wish; a reload, or the next start, opens it again."""
        self._remove(name, "closed by an operator: a reload, or the next start, opens it again")

    def reload(self) -> None:
        """Read the configuration again and follow it. Raises ConfigError: nothing has changed."""
        old, new = self.config, self.config.reload()
        steps = list(self._steps(old.channels, new.channels))
        self.config, by_effect = follow(old, new, apart=("channels",))
        take(by_effect, new.log_level, new.log_format)
        for step in steps:
            step()
        if not steps and not by_effect:
            log.info("reloaded: nothing has changed")
        self.capture.follow(self.config.capture)

    def _steps(
        self, old: Mapping[str, ChannelConfig], new: Mapping[str, ChannelConfig]
    ) -> Iterator[Callable[[], None]]:
        """Prepare what changes; yield what is left to do, and cannot fail."""
        for name in old.keys() - new.keys():
            yield partial(self._remove, name)
        for name, config in new.items():
            channel = self.by_name.get(name)
            if channel is None or name not in old:
                yield partial(log.info, "reloaded: this channel is new", extra={"channel": name})
                yield partial(self._replace, name, self._make(name, config))
            elif by_effect := changes(old[name], config):
                yield from self._change(name, channel, config, by_effect)

    def _change(
        self,
        name: str,
        channel: Channel,
        config: ChannelConfig,
        by_effect: ByEffect,
    ) -> Iterator[Callable[[], None]]:
        if "channel" in by_effect:
            # What else has changed comes with it.
            every = [key for keys in by_effect.values() for key in keys]
            yield partial(tell, {"channel": every}, channel=name)
            yield partial(self._replace, name, self._make(name, config))
            return
        yield partial(tell, by_effect, channel=name)
        if "source" in by_effect:
            yield partial(channel.pull, _making(name, partial(channel.source_of, config)))
        yield partial(channel.keep, config)

    def _make(self, name: str, config: ChannelConfig) -> Channel:
        instance_us = time.time_ns() // 1000
        return _making(name, partial(self._new, name, config, instance_us=instance_us))

    def _new(self, name: str, config: ChannelConfig, *, instance_us: int) -> Channel:
        channel = Channel(name, config, self._tasks, instance_us=instance_us)
        channel.feed.capture = self.capture
        return channel

    def _replace(self, name: str, channel: Channel) -> None:
        """Serve this channel instead of the one before, if there is one: its nodes come back."""
        if (before := self.by_name.get(name)) is not None:
            self._end(name, before)
        self.by_name[name] = channel
        self._open(name, channel)

    def _remove(self, name: str, why: str = "reloaded: this channel is closed") -> None:
        if (channel := self.by_name.pop(name, None)) is not None:
            log.info(why, extra={"channel": name})
            self._end(name, channel, CLOSED.format(name=name))

    def _end(self, name: str, channel: Channel, sentence: str = "") -> None:
        ending = {**self._ending, name: channel.close(sentence)}
        self._ending = {
            one: left for one, left in ending.items() if any(not t.done() for t in left)
        }

    def _open(self, name: str, channel: Channel) -> None:
        log.info("open: anyone may read this channel", extra={"channel": name})
        channel.open(self._ending.pop(name, ()))


def _making(name: str, make: Callable[[], T]) -> T:
    """Make a part of a channel; what is wrong with its keys is a fault of the configuration."""
    try:
        return make()
    except ValueError as error:
        raise ConfigError([f"channels.{name}: {error}"]) from error
