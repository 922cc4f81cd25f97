"""Which GET belongs to which POST."""

import pytest

from clientproxy.core.tunnels import MAX_HALVES, PAIR_TIMEOUT, Tunnels
from common.errors import RtspError


def test_the_halves_of_a_cookie_meet_in_either_order() -> None:
    tunnels = Tunnels[str]()
    assert tunnels.opened("a", "get a", 0) is None
    assert tunnels.posted("a", "post a", 1) == ("get a", None)
    assert tunnels.posted("b", "post b", 1) == (None, None)
    assert tunnels.opened("b", "get b", 2) == "post b"
    assert tunnels.get_of("post a") == "get a"
    assert tunnels.get_of("get a") is None


def test_a_further_post_takes_the_place_of_the_one_before() -> None:
    tunnels = Tunnels[str]()
    tunnels.opened("a", "get", 0)
    tunnels.posted("a", "one", 0)
    assert tunnels.posted("a", "two", 0) == ("get", "one")
    assert tunnels.lost("one") is None
    assert tunnels.get_of("two") == "get"
    assert tunnels.lost("get") == "two"
    assert len(tunnels) == 0


def test_half_a_tunnel_expires_and_a_whole_one_never() -> None:
    tunnels = Tunnels[str]()
    tunnels.opened("a", "get a", 0)
    tunnels.posted("b", "post b", 1)
    tunnels.opened("c", "get c", 0)
    tunnels.posted("c", "post c", 0)
    tunnels.lost("post c")  # it was whole once
    assert tunnels.expired(PAIR_TIMEOUT) == []
    assert tunnels.expired(PAIR_TIMEOUT + 0.5) == ["get a"]
    assert tunnels.expired(PAIR_TIMEOUT + 1.5) == ["get a", "post b"]
    tunnels.lost("get a")
    tunnels.lost("post b")
    assert tunnels.expired(1000) == []
    assert len(tunnels) == 1


def test_a_second_get_and_one_cookie_too_many_are_refused() -> None:
    tunnels = Tunnels[str]()
    for number in range(MAX_HALVES):
        tunnels.opened(f"c{number}", f"get {number}", 0)
    with pytest.raises(RtspError, match="400"):
        tunnels.opened("c0", "thief", 0)
    with pytest.raises(RtspError, match="503"):
        tunnels.opened("more", "get", 0)
    with pytest.raises(RtspError, match="503"):
        tunnels.posted("more", "post", 0)
    assert tunnels.posted("c0", "post", 0) == ("get 0", None)
    assert tunnels.lost("unknown") is None
