"""Is it me or my parent: the first rule that applies is the verdict."""

from dataclasses import replace

import pytest

from clientproxy.core.verdict import Condition, StripeCondition, judge

WELL = Condition(
    server="studio:7854",
    control_up=True,
    stripes=[StripeCondition(parent="root"), StripeCondition(parent="n2-k3xz")],
)


def stripes(one: StripeCondition) -> list[StripeCondition]:
    return [WELL.stripes[0], one]


@pytest.mark.parametrize(
    ("condition", "blame", "words"),
    [
        (WELL, "nobody", "All is well: every stripe comes in time."),
        (replace(WELL, reachable=False), "nobody", "no other node can reach this machine"),
        (replace(WELL, downlink_slow=True), "me", "this machine's own network"),
        (replace(WELL, control_up=False), "server", "studio:7854 does not answer; what the par"),
        (replace(WELL, source_up=False), "source", "The source is down"),
        (
            replace(WELL, source_up=False, source_trouble="no route (since 10:41:07 UTC)"),
            "source",
            "it is neither you nor a parent. Why: no route (since 10:41:07 UTC).",
        ),
        (replace(WELL, stripes=stripes(StripeCondition(parent=None))), "parent", "for stripe 1"),
        (
            replace(WELL, stripes=stripes(StripeCondition(parent="n2-k3xz", silent=True))),
            "parent",
            "It is n2-k3xz: it has fallen silent in stripe 1",
        ),
        (
            replace(WELL, stripes=stripes(StripeCondition(parent="n2-k3xz", behind=0.5))),
            "parent",
            "stripe 1 comes 0.5 s late, the others in time.",
        ),
        (
            replace(WELL, stripes=stripes(StripeCondition(parent="root", slow=True))),
            "parent",
            "It is the server proxy:",
        ),
        (replace(WELL, stripes=()), "server", "Waiting for the server proxy at studio:7854."),
        (replace(WELL, stripes=(), trouble="it is full"), "server", "it is full"),
    ],
)
def test_a_verdict_names_who_is_to_blame(condition: Condition, blame: str, words: str) -> None:
    verdict = judge(condition)
    assert verdict.blame == blame
    assert words in verdict.sentence


def test_a_little_late_is_no_fault() -> None:
    late = replace(WELL, stripes=stripes(StripeCondition(parent="n2-k3xz", behind=0.29)))
    assert judge(late).blame == "nobody"


def test_the_own_network_comes_before_all_that_may_follow_from_it() -> None:
    slow = StripeCondition(parent="n2-k3xz", behind=2.0, slow=True, silent=True)
    both = replace(WELL, downlink_slow=True, control_up=False, stripes=stripes(slow))
    assert judge(both).blame == "me"


@pytest.mark.parametrize(
    "others",
    [
        [],
        [StripeCondition(parent="n2-k3xz", behind=2.0)],
        [StripeCondition(parent="n2-k3xz", slow=True)],
        [StripeCondition(parent="n2-k3xz", silent=True)],
        [StripeCondition(parent=None)],
    ],
)
def test_other_stripes_are_said_to_come_in_time_only_if_they_do(
    others: list[StripeCondition],
) -> None:
    late = StripeCondition(parent="n3-k3xz", behind=0.9)
    assert judge(replace(WELL, stripes=[late, *others])).sentence == (
        "It is n3-k3xz: stripe 0 comes 0.9 s late."
    )
