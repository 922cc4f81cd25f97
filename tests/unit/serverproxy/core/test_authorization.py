"""Answers to challenges."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverproxy.core.authorization import Challenge, Credentials, authorize, choose
from tests.support.effort import cpu_seconds

MUFASA = Credentials("Mufasa", "Circle Of Life")


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def answered(header: str, credentials: Credentials, request: tuple[str, str], nonce: str) -> str:
    challenge = choose([header])
    assert challenge is not None
    return authorize(challenge, credentials, request, 1, nonce)


def test_the_example_of_rfc_2617_is_answered_as_it_is_there() -> None:
    """qop="auth" is what real cameras use; aiortsp answers without it."""
    header = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    got = answered(header, MUFASA, ("GET", "/dir/index.html"), "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in got
    assert "qop=auth, nc=00000001" in got
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in got


def test_the_example_of_rfc_7616_is_answered_as_it_is_there() -> None:
    header = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    got = answered(
        header,
        Credentials("Mufasa", "Circle of Life"),
        ("GET", "/dir/index.html"),
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"' in got
    assert "algorithm=SHA-256" in got


def test_without_qop_the_older_form_is_answered() -> None:
    got = answered(
        'digest realm="r", nonce="n"', Credentials("u", "p"), ("DESCRIBE", "rtsp://h/"), "c"
    )
    secret, what = md5("u:r:p"), md5("DESCRIBE:rtsp://h/")
    assert got == (
        'Digest username="u", realm="r", nonce="n", uri="rtsp://h/", '
        f'response="{md5(f"{secret}:n:{what}")}"'
    )


def test_a_session_hash_sends_its_client_nonce() -> None:
    got = answered('Digest realm="r", nonce="n", algorithm=MD5-sess', MUFASA, ("PLAY", "u"), "cc")
    assert 'cnonce="cc"' in got
    assert "algorithm=MD5-sess" in got


def test_digest_goes_before_basic_and_the_stronger_hash_first() -> None:
    basic, md5 = 'Basic realm="r"', 'Digest realm="r", nonce="1"'
    sha = 'Digest realm="r", nonce="2", algorithm=SHA-256'
    assert choose([basic, md5, sha]) == Challenge(
        "digest", {"realm": "r", "nonce": "2", "algorithm": "SHA-256"}
    )
    assert choose([f"{basic}, {md5}"]) == Challenge("digest", {"realm": "r", "nonce": "1"})
    assert choose([f'{md5}, basic realm="a, Digest b"']) == Challenge(
        "digest", {"realm": "r", "nonce": "1"}
    )
    assert choose([basic]) == Challenge("basic", {"realm": "r"})


def test_what_cannot_be_answered_is_not_chosen() -> None:
    assert choose([]) is None
    assert choose(["Bearer x", 'Digest realm="r", nonce="n", algorithm=WHIRLPOOL']) is None


def test_basic_is_user_and_password() -> None:
    got = answered('BASIC realm="r"', Credentials("Aladdin", "open sesame"), ("PLAY", "u"), "")
    assert got == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_quotes_in_a_user_name_are_escaped() -> None:
    got = answered('Digest realm="a\\"b", nonce="n"', Credentials('u"x', "p"), ("PLAY", "u"), "")
    assert 'username="u\\"x", realm="a\\"b"' in got


def test_credentials_do_not_show_themselves() -> None:
    assert "Circle" not in repr(MUFASA)


@given(st.lists(st.text()))
def test_any_header_is_read(headers: list[str]) -> None:
    challenge = choose([*headers, *(f"Digest {header}" for header in headers)])
    if challenge is not None:
        authorize(challenge, MUFASA, ("PLAY", "u"), 1, "n")


def test_a_quotation_that_does_not_end_is_read_as_far_as_it_goes() -> None:
    assert choose(['Basic realm="a\\", Digest nonce=n']) == Challenge("digest", {"nonce": "n"})


@pytest.mark.parametrize(
    "value", ["a" * 16_000, "-" * 16_000, "a " * 8000, 'a="\\"' * 3000, '"' + '\\"' * 8000]
)
def test_no_header_of_a_camera_takes_long_to_read(value: str) -> None:
    """It took 10 s and more: searches began anew at each letter of a name, or at each quote."""
    assert cpu_seconds(lambda: choose([f"Digest {value}"])) < 1
