"""Addresses as the one who is told them can use them.

A node on the server proxy's own machine is seen from a loopback address. To a node elsewhere that
is an address of its own machine: it is told the one at which it reached the server proxy instead.
"""

import msgspec

from common.fields import Candidate, StripeCandidates
from common.ids import Address, is_loopback
from common.messages import Candidates, Message, Redirect


def as_seen(candidate: Candidate, server_host: str) -> Candidate:
    """Return a candidate as a node can use it that reached the server proxy at `server_host`."""
    if is_loopback(server_host):
        return candidate
    addresses = tuple(_moved(text, server_host) for text in candidate.addresses)
    return msgspec.structs.replace(candidate, addresses=addresses)


def stripe_as_seen(parents: StripeCandidates, server_host: str) -> StripeCandidates:
    """Return the candidates of a stripe as a node can use them."""
    candidates = tuple(as_seen(one, server_host) for one in parents.candidates)
    return StripeCandidates(parents.stripe, candidates)


def message_as_seen(message: Message, server_host: str) -> Message:
    """Return a message to a node with addresses that it can use."""
    match message:
        case Candidates(parents=parents):
            return msgspec.structs.replace(message, parents=stripe_as_seen(parents, server_host))
        case Redirect(targets=targets):
            seen = tuple(as_seen(one, server_host) for one in targets)
            return msgspec.structs.replace(message, targets=seen)
        case _:
            return message


def _moved(text: str, server_host: str) -> str:
    address = Address.parse(text, 0)
    return str(Address(server_host, address.port)) if is_loopback(address.host) else text
