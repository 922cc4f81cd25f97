"""Who is let in: the examples of the RFCs in spirit, and what players are known to write."""

import base64
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.rtsp.auth import NONCE_LIFETIME, REALM, Access, Guard, Nonces
from common.rtsp.messages import Headers, Request
from tests.support.effort import cpu_seconds

ACCESS = Access("viewer", "pä:ss")
NONCES = Nonces(b"0123456789abcdef")
URL = "rtsp://h:8554/cam"


def guard() -> Guard:
    return Guard(ACCESS, NONCES)


def asking(method: str = "DESCRIBE", url: str = URL, authorization: str = "") -> Request:
    fields = [("Authorization", authorization)] if authorization else []
    return Request(method, url, "RTSP/1.0", Headers(fields))


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def h(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def digest(
    nonce: str,
    *,
    user: str = "viewer",
    password: str = "pä:ss",
    method: str = "DESCRIBE",
    uri: str = URL,
    qop: str = "",
) -> str:
    ours, theirs = h(f"{user}:{REALM}:{password}"), h(f"{method}:{uri}")
    fields = f'Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="{uri}", '
    if qop:
        response = h(f"{ours}:{nonce}:00000001:abc:{qop}:{theirs}")
        return fields + f'qop={qop}, nc=00000001, cnonce="abc", response="{response}"'
    return fields + f'response="{h(f"{ours}:{nonce}:{theirs}")}"'


def passes(one: Guard, request: Request, now: float = 0) -> bool:
    return one.challenges(request, now) == ()


def test_who_says_nothing_is_asked_for_both_digest_first() -> None:
    one = guard()
    first, second = one.challenges(asking(), 5)
    assert first.startswith(f'Digest realm="{REALM}", nonce="')
    assert "stale" not in first
    assert second == f'Basic realm="{REALM}"'
    assert one.wrong == 0


def test_basic_is_right_or_wrong() -> None:
    one = guard()
    assert passes(one, asking(authorization=basic("viewer", "pä:ss")))
    for user, password in (("viewer", "x"), ("x", "pä:ss"), ("", ""), ("viewer:pä", "ss")):
        expected = (user, password) == ("viewer:pä", "ss")  # the same octets
        assert passes(one, asking(authorization=basic(user, password))) == expected
    assert one.wrong == 3


@pytest.mark.parametrize("qop", ["", "auth"])
def test_digest_is_right_or_wrong(qop: str) -> None:
    one = guard()
    nonce = NONCES.fresh(0)
    assert passes(one, asking(authorization=digest(nonce, qop=qop)))
    assert not passes(one, asking(authorization=digest(nonce, qop=qop, password="x")))
    assert not passes(one, asking(authorization=digest(nonce, qop=qop, user="x")))
    assert not passes(one, asking("PLAY", authorization=digest(nonce, qop=qop)))
    assert one.wrong == 3


def test_the_uri_of_a_digest_is_what_is_asked_for_or_its_channel() -> None:
    nonce = NONCES.fresh(0)
    track = f"{URL}/trackID=0"
    for uri in (track, f"{URL}/", URL, "/cam", "rtsp://other.name/cam/"):
        value = digest(nonce, uri=uri, method="SETUP")
        assert passes(guard(), asking("SETUP", track, value)), uri
    for uri in ("rtsp://h:8554/other", "rtsp://h/", "", "*", "rtsp://[", "/ca"):
        value = digest(nonce, uri=uri, method="SETUP")
        assert not passes(guard(), asking("SETUP", track, value)), uri


def test_an_old_nonce_is_stale_and_no_wrong_password() -> None:
    one = guard()
    nonce = NONCES.fresh(0)
    old = NONCE_LIFETIME + 1
    challenge, _ = one.challenges(asking(authorization=digest(nonce)), old)
    assert challenge.endswith(", stale=true")
    assert one.wrong == 0
    fresh = challenge.split('"')[3]
    assert fresh != nonce
    assert passes(one, asking(authorization=digest(fresh)), old)
    challenge, _ = one.challenges(asking(authorization=digest(nonce, password="x")), old)
    assert "stale" not in challenge
    assert one.wrong == 1


def test_a_nonce_of_another_life_of_the_server_is_stale() -> None:
    nonce = Nonces(b"fedcba9876543210").fresh(0)
    challenge, _ = guard().challenges(asking(authorization=digest(nonce)), 1)
    assert challenge.endswith(", stale=true")


def test_nobody_is_asked_again_in_the_midst_of_a_stream() -> None:
    """On the connection where a nonce was used in time it stays good; not on another."""
    one = guard()
    nonce = NONCES.fresh(0)
    assert passes(one, asking(authorization=digest(nonce)), 1)
    much_later = 100 * NONCE_LIFETIME
    keep_alive = asking("GET_PARAMETER", authorization=digest(nonce, method="GET_PARAMETER"))
    assert passes(one, keep_alive, much_later)
    assert not passes(guard(), keep_alive, much_later)


def test_a_nonce_from_the_future_is_none() -> None:
    assert NONCES.is_good(NONCES.fresh(10), 10)
    assert not NONCES.is_good(NONCES.fresh(10), 9)
    assert not NONCES.is_good("", 0)


@pytest.mark.parametrize(
    "value",
    ["Digest", "Basic", "Basic ====", "Bearer x", "Digest a", 'Digest nonce="', "Negotiate", "é é"],
)
def test_what_is_no_credential_is_wrong(value: str) -> None:
    one = guard()
    assert not passes(one, asking(authorization=value))
    assert one.wrong == 1


def test_only_md5_is_known() -> None:
    nonce = NONCES.fresh(0)
    assert passes(guard(), asking(authorization=digest(nonce) + ", algorithm=md5"))
    assert not passes(guard(), asking(authorization=digest(nonce) + ', algorithm="SHA-256"'))


def test_who_opens_a_tunnel_with_the_right_password_is_in() -> None:
    one = guard()
    one.admit(asking("GET", "/cam", basic("viewer", "wrong")))
    assert not passes(one, asking())
    one.admit(asking("GET", "/cam", basic("viewer", "pä:ss")))
    assert passes(one, asking())
    assert passes(one, asking("PLAY"))


def test_the_password_is_in_no_repr() -> None:
    assert "pä" not in repr(ACCESS)


@given(st.text(max_size=120) | st.text('=,"\\ Digestnonceuri', max_size=80).map("Digest ".__add__))
def test_no_header_breaks_the_guard(value: str) -> None:
    assert not passes(guard(), asking(authorization=value or "x"))


@pytest.mark.parametrize("value", ["a" * 16_000, "-" * 16_000, "a " * 8000, 'a="\\"' * 3000])
def test_no_header_keeps_the_guard_busy(value: str) -> None:
    """It took 20 s: the search began anew at each letter of a name."""
    asked = asking(authorization=f"Digest {value}")
    assert cpu_seconds(lambda: guard().challenges(asked, 0)) < 1
