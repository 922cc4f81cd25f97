"""Members of the trees, and the shelves on which they lie by what they can be used for."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from common.ids import NodeId, Stripe


@dataclass(slots=True, eq=False)
class Link:
    """One member in one stripe."""

    parent: "Member | None" = None
    up: "Member | None" = None
    children: "dict[Member, None]" = field(default_factory=dict)
    down: "dict[Member, None]" = field(default_factory=dict)
    leaving: int = 0
    """Children that are moving elsewhere."""
    depth: int | None = None
    pending: bool = True
    shelved: tuple[int | None, ...] = ()
    """Its keys on `Shelves.all`, so that what has not changed costs nothing."""
    standby: "Member | None" = None
    """Its next parent, should this one be lost."""
    backs: "dict[Member, None]" = field(default_factory=dict)
    """Those for whom this member stands by."""
    displaces: "Member | None" = None
    """The leaf in whose place this member was put, until this member reports its parent."""


@dataclass(slots=True, eq=False)
class Member:
    """One node, or the server proxy, in all trees."""

    id: NodeId
    slots: int
    hard_limit: bool
    links: tuple[Link, ...]
    serves: Stripe | None = None
    admitted: bool = False
    """It was placed in all stripes once: from now on it is an orphan, no newcomer."""
    absent: bool = False
    """The server proxy cannot talk to it: it is nobody's parent to be, and going nowhere."""
    suspect: bool = False
    """A child has lost it: it is somebody's parent to be only where nobody else is."""
    yields: Stripe | None = None
    """The stripe that it is to serve as soon as its children have left."""

    @property
    def burden(self) -> int:
        """For how many it stands by, over all stripes."""
        return sum([len(link.backs) for link in self.links])

    @property
    def limit(self) -> int:
        """Most children for a moment: one excess, but never above a user's number."""
        return self.slots if self.hard_limit or not self.slots else self.slots + 1

    @property
    def load(self) -> int:
        """Children over all stripes once every move is done."""
        load = 0
        for link in self.links:
            load += len(link.down)
        return load

    @property
    def held(self) -> int:
        """Children over all stripes, those on the way counted where they are and where they go."""
        held = 0
        for link in self.links:
            held += len(link.down) + link.leaving
        return held

    @property
    def count(self) -> int:
        """Children over all stripes, as reported."""
        return sum([len(link.children) for link in self.links])


class Shelf:
    """Members that can be used in one way, by key; of one key the longest unused first."""

    def __init__(self) -> None:
        self._keys: dict[Member, int] = {}
        self._buckets: dict[int, dict[Member, None]] = {}

    def put(self, member: Member, key: int | None) -> None:
        """Let `member` lie under `key` only, or nowhere."""
        old = self._keys.get(member)
        if old == key:
            return
        if old is not None:
            bucket = self._buckets[old]
            del bucket[member]
            if not bucket:
                del self._buckets[old]
        if key is None:
            del self._keys[member]
        else:
            self._keys[member] = key
            self._buckets.setdefault(key, {})[member] = None

    def used(self, member: Member) -> None:
        """Put `member` last among those with its key."""
        key = self._keys.get(member)
        if key is not None:
            bucket = self._buckets[key]
            del bucket[member]
            bucket[member] = None

    def levels(self) -> list[int]:
        """Every key that has members, least first."""
        return sorted(self._buckets)

    def at(self, key: int) -> Iterator[Member]:
        """Members under one key."""
        return iter(self._buckets.get(key, ()))


class Shelves:
    """What each member of one stripe can be used for."""

    def __init__(self) -> None:
        self.free = Shelf()
        """Serves the stripe and has a free slot."""
        self.leafy = Shelf()
        """Serves it, is full, can take one for a moment, and has a leaf to hand over."""
        self.tight = Shelf()
        """The same, but above a user's number it takes nobody: the leaf is sent away first."""
        self.over = Shelf()
        """Serves it, is full, and can take one above its slots."""
        self.spare = Shelf()
        """Serves another stripe and has a free slot."""
        self.holder = Shelf()
        """Has a leaf under it in a slot of this stripe."""
        self.interior = Shelf()
        """Serves it; by depth."""
        self.idle = Shelf()
        """Serves it and has no child in it; by slots."""
        self.all = (
            self.free,
            self.leafy,
            self.tight,
            self.over,
            self.spare,
            self.holder,
            self.interior,
            self.idle,
        )
