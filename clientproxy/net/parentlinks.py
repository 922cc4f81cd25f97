"""All links of one node to parents, candidates and standbys: one for each stripe and node."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from clientproxy.core.joining import Ask, Command, Drop, Hold, LeaveParent, Probe, Release, Resume
from clientproxy.net.parentlink import Owner, ParentLink
from common.attach import Attach
from common.fields import Candidate, LostReason, PathEntry
from common.frame import Received
from common.ids import Address, NodeId, Stripe
from common.messages import AttachedReport, ParentLost
from common.runtime.tasks import Tasks


class Membership(Protocol):
    """What a node knows of itself when it asks for a parent."""

    def fields(self, stripe: Stripe) -> Mapping[str, object]:
        """Return channel, stripe and node, for the log."""

    def attach_request(
        self, stripe: Stripe, *, orphan: bool, visited: tuple[str, ...], active: bool = True
    ) -> Attach:
        """Return the Attach of a stripe, asking for what the node lacks."""

    def wanted(self, stripe: Stripe) -> int:
        """Return the first sequence number of a stripe that the node lacks."""

    def newest(self, stripe: Stripe) -> int:
        """Return the newest sequence number held of a stripe, 0 before the first."""

    def feeds(self, stripe: Stripe) -> bool:
        """Return whether the node has children in a stripe."""

    def newest_keyframe(self) -> int:
        """Return the newest sequence number that starts a keyframe, 0: none."""

    def take(self, stripe: Stripe, received: Received, *, parent: NodeId) -> None:
        """Take the data of a stripe from a parent."""

    def hole(self, stripe: Stripe, first: int) -> int:
        """Return how many packets are missing before `first`; BadMessageError if it is absurd."""

    def leapt(self, stripe: Stripe, newest: int) -> bool:
        """Return whether numbers leapt over what a parent has come to."""

    def begin_anew(self, stripe: Stripe, head: int) -> None:
        """Forget what is held of a stripe, as none of it was ever sent: it goes on at `head`."""

    def attached_to(self, stripe: Stripe, parent: NodeId, first: int) -> None:
        """Note a new parent, which begins with `first`."""

    def path_changed(self, stripe: Stripe, path: Sequence[PathEntry] | None) -> None:
        """Note the ancestors in a stripe; None: no parent."""

    def parent_lost(self, stripe: Stripe, parent: NodeId, reason: LostReason) -> None:
        """Note that a parent's link has ended, which was not asked for, or is silent."""

    def pass_on(self, stripe: Stripe, targets: Sequence[Candidate]) -> None:
        """Send all children there, and all descendants after them, each by itself."""

    def tell(self, message: AttachedReport | ParentLost) -> None:
        """Send a report to the server proxy, if the control link is up."""


class ParentLinks:
    """The links, and what `ParentSearch` wants done with them."""

    __slots__ = (
        "_group_key", "_key_before", "_links", "_membership", "_owner", "_server", "_tasks",
    )  # fmt: skip

    def __init__(
        self, owner: Owner, membership: Membership, server: Address, tasks: Tasks, group_key: str
    ) -> None:
        """Start with none; `server` is where the candidate without addresses listens."""
        self._owner, self._membership, self._server = owner, membership, server
        self._tasks, self._group_key, self._key_before = tasks, group_key, group_key
        self._links: dict[tuple[Stripe, NodeId], ParentLink] = {}

    def rekey(self, group_key: str) -> None:
        """Show another group key from now on; the one before is still good."""
        if group_key != self._group_key:
            self._group_key, self._key_before = group_key, self._group_key

    def knows(self, group_key: str) -> bool:
        """Whether this is the channel's group key, or the one before."""
        return group_key in {self._group_key, self._key_before}

    def get(self, stripe: Stripe, node: NodeId) -> ParentLink | None:
        """Return the link with a node in a stripe."""
        return self._links.get((stripe, node))

    def __iter__(self) -> Iterator[ParentLink]:
        return iter(list(self._links.values()))

    def attached(self) -> list[ParentLink]:
        """Return the links with parents and standbys."""
        return [link for link in self._links.values() if link.is_attached]

    def free(self, command: Hold) -> bool:
        """Whether there is no link yet with whom a Hold names."""
        return (command.stripe, NodeId(command.candidate.node)) not in self._links

    def forget(self, link: ParentLink) -> bool:
        """Note that a link has ended; return whether it was one of these."""
        if self._links.get((link.stripe, link.node)) is not link:
            return False
        del self._links[link.stripe, link.node]
        return True

    def close(self) -> None:
        """Say bye to all."""
        for link in list(self._links.values()):
            link.bye("bye")
        self._links.clear()

    def carry_out(self, command: Command) -> None:
        """Do what is to be done with links; a Tell is none of theirs."""
        match command:
            case Probe(stripe, candidate):
                self._dial(stripe, candidate)
            case Ask():
                self._ask(command)
            case Hold(stripe, candidate):
                self._hold(stripe, candidate)
            case Resume(stripe, node):
                if (link := self._links.get((stripe, node))) is not None:
                    link.resume(self._membership.wanted(stripe))
            case Drop(stripe, node) | Release(stripe, node) | LeaveParent(stripe, node):
                self._leave(command, self._links.pop((stripe, node), None))
            case _:
                raise AssertionError(command)

    def _leave(self, command: Command, link: ParentLink | None) -> None:
        if link is None:
            return
        if isinstance(command, Drop):
            link.abandon()
        else:
            link.bye("moved" if isinstance(command, LeaveParent) else "bye")

    def _ask(self, command: Ask) -> None:
        link = self._links.get((command.stripe, NodeId(command.candidate.node)))
        if link is None:
            link = self._dial(command.stripe, command.candidate)

        def request() -> Attach:
            attach = self._membership.attach_request(
                command.stripe, orphan=command.orphan, visited=command.visited
            )
            return msgspec.structs.replace(attach, rtt_us=int(link.rtt * 1e6) or None)

        link.ask(request)

    def _hold(self, stripe: Stripe, candidate: Candidate) -> None:
        link = self._dial(stripe, candidate)
        link.standby = True
        link.ask(
            lambda: self._membership.attach_request(stripe, orphan=False, visited=(), active=False)
        )

    def _dial(self, stripe: Stripe, candidate: Candidate) -> ParentLink:
        link = ParentLink(self._owner, stripe, candidate, self._group_key)
        self._links[stripe, link.node] = link
        addresses = [Address.parse(text, 0) for text in candidate.addresses] or [self._server]
        name, fields = f"dial {candidate.node}", self._owner.fields(stripe)
        self._tasks.spawn(link.dial(addresses), name=name, fields=fields)
        return link
