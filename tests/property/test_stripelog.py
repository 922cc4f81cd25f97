"""The log of a stripe against a model that forgets nothing but what it has to."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.frame import Packet, encode
from common.stripelog import StripeLog

MAX_BYTES, MAX_AGE = 400, 10.0


class Logs(RuleBasedStateMachine):
    """A log, and a list of all that was ever appended to it."""

    def __init__(self) -> None:
        super().__init__()
        self.log = StripeLog(max_bytes=MAX_BYTES, max_age=MAX_AGE)
        self.all: list[Packet] = []
        self.trimmed = 0

    @rule(
        steps=st.lists(
            st.tuples(st.integers(1, 3), st.integers(0, 4_000_000), st.integers(0, 90)), max_size=6
        ),
        back=st.integers(0, 10),
    )
    def append(self, steps: list[tuple[int, int, int]], back: int) -> None:
        """Append frames, the first of which may be older than the newest."""
        newest = self.all[-1] if self.all else Packet(0, 0, 0, 0, b"")
        seq, capture = max(0, newest.seq - back), newest.capture_us
        batch = []
        for step, time, size in steps:
            seq, capture = seq + step, capture + time
            batch.append(Packet(seq, capture, 0, 0, bytes(size)))
        fresh = [packet for packet in batch if not self.all or packet.seq > newest.seq]
        new = self.log.append(batch, [encode(packet) for packet in batch])
        assert list(new) == fresh
        self.all += fresh
        self._trim()

    def _trim(self) -> None:
        while len(held := self.all[self.trimmed :]) > 1 and (
            sum(len(encode(packet)) for packet in held) > MAX_BYTES
            or held[0].capture_us < held[-1].capture_us - int(MAX_AGE * 1e6)
        ):
            self.trimmed += 1

    @rule(cursor=st.integers(0, 60), most=st.integers(1, 500))
    def read(self, cursor: int, most: int) -> None:
        """Read at a cursor: whole frames from there on, and twice the same."""
        held = [packet for packet in self.all[self.trimmed :] if packet.seq >= cursor]
        data, upto, count = self.log.read(cursor, most)
        assert data == b"".join(map(encode, held[:count]))
        assert count == 0 or upto == held[count - 1].seq + 1
        assert (count > 0) == bool(held)
        assert len(data) <= most or count == 1
        if count < len(held):
            assert len(data) + len(encode(held[count])) > most
        assert self.log.read(cursor, most) == (data, upto, count)

    @rule(most=st.integers(1, 500))
    def read_all(self, most: int) -> None:
        """Follow a cursor to the end: every frame that is held, once."""
        cursor, got = self.log.floor, b""
        while True:
            data, cursor, count = self.log.read(cursor, most)
            if not count:
                break
            got += data
        assert got == b"".join(map(encode, self.all[self.trimmed :]))

    @rule(cursor=st.integers(0, 60), capture=st.integers(0, 60_000_000))
    def find(self, cursor: int, capture: int) -> None:
        """Find the first frame from a cursor and from a capture time on."""
        held = self.all[self.trimmed :]
        behind = [packet.seq for packet in held if packet.seq >= cursor]
        assert self.log.first_from(cursor) == (behind[0] if behind else None)
        later = [packet.seq for packet in held if packet.capture_us >= capture]
        end = self.all[-1].seq + 1 if self.all else 0
        assert self.log.since_capture(capture) == (later[0] if later else end)

    @rule()
    def clear(self) -> None:
        """Begin anew."""
        self.log.clear()
        self.all, self.trimmed = [], 0

    @invariant()
    def bounds(self) -> None:
        """Hold the log against the model."""
        held = self.all[self.trimmed :]
        assert len(self.log) == len(held)
        assert self.log.size_bytes == sum(len(encode(packet)) for packet in held)
        assert self.log.newest == (self.all[-1].seq if self.all else None)
        assert self.log.floor == (self.all[self.trimmed - 1].seq + 1 if self.trimmed else 0)


TestLogs = Logs.TestCase
TestLogs.settings = settings(stateful_step_count=30)
