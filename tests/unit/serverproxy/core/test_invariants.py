"""`check` finds what it promises to find."""

import pytest

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.tree import InvariantError, Trees

S0 = Stripe(0)
A, B, C = (NodeId(name) for name in "abc")


def test_check_names_the_invariant_that_fails() -> None:
    no_slots = Trees(stripes=1)
    for node in (A, B):
        no_slots.add(node, slots=0, hard_limit=True)
    no_slots.attach(A, S0, ROOT)
    no_slots.attach(B, S0, A)
    with pytest.raises(InvariantError, match="2:"):
        no_slots.check()
    hard = Trees(stripes=1)
    for node, parent in ((A, ROOT), (B, A), (C, A)):
        hard.add(node, slots=1, hard_limit=True)
        hard.attach(node, S0, parent)
    with pytest.raises(InvariantError, match="3:"):
        hard.check()
    copies = Trees(stripes=1)
    for node in (A, B, C):
        copies.add(node, slots=1, hard_limit=True)
        copies.attach(node, S0, ROOT)
    with pytest.raises(InvariantError, match="5:"):
        copies.check()
    short = Trees(stripes=2)
    for node in (A, B, C):
        short.add(node, slots=3, hard_limit=False)
        short.serve(node, S0)
    with pytest.raises(InvariantError, match="4:"):
        short.check()
    for trees in (no_slots, hard, copies, short):
        trees.check(settled=False)
