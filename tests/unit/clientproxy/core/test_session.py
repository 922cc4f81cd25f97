"""States of a session, transports of its tracks, and signs of life."""

from collections.abc import Collection, Sequence

import pytest

from clientproxy.core.session import (
    DESERTED_AFTER,
    REFUSED_AGAIN,
    SESSION_TIMEOUT,
    Delivery,
    Session,
    State,
)
from common.errors import RtspError
from common.rtsp.headers import Lower, Offer

UDP = Offer(Lower.UDP, (5000, 5001), "RTP/AVP")
OTHER_UDP = Offer(Lower.UDP, (5002, 5003), "RTP/AVP")
TCP = Offer(Lower.TCP, (0, 1), "RTP/AVP/TCP")
ANY_TCP = Offer(Lower.TCP, None, "RTP/AVP/TCP")


def status(session: Session, method: str) -> int:
    before = session.state
    with pytest.raises(RtspError) as caught:
        session.apply(method)
    assert session.state is before
    return caught.value.status


def set_up(
    session: Session, track: int, offers: Sequence[Offer], taken: Collection[int]
) -> Delivery:
    """Have a track delivered as the session chooses."""
    delivery = session.choose(track, offers, taken)
    session.setup(track, delivery)
    return delivery


def ready() -> Session:
    session = Session("id", now=0.0)
    set_up(session, 0, [TCP], [])
    return session


def test_a_session_goes_from_setup_over_play_and_pause_to_teardown() -> None:
    session = Session("id", now=0.0)
    states = [session.state]
    set_up(session, 0, [UDP], [])
    states.append(session.state)
    for method in ("PLAY", "PLAY", "PAUSE", "PLAY", "TEARDOWN"):
        session.apply(method)
        states.append(session.state)
    assert states == [
        State.INIT,
        State.READY,
        State.PLAYING,
        State.PLAYING,
        State.READY,
        State.PLAYING,
        State.ENDED,
    ]


def test_methods_that_do_not_fit_the_state_are_refused() -> None:
    """RFC 2326, 11.3.6 and A.2."""
    assert status(Session("id", now=0.0), "PLAY") == 455
    session = ready()
    assert status(session, "PAUSE") == 455
    session.apply("PLAY")
    assert status(session, "SETUP") == 455
    session.apply("TEARDOWN")
    assert status(session, "PLAY") == 455


def test_a_playing_session_takes_no_further_track() -> None:
    session = ready()
    session.apply("PLAY")
    with pytest.raises(RtspError) as caught:
        set_up(session, 1, [TCP], [])
    assert caught.value.status == 455
    assert list(session.deliveries) == [0]


def test_what_is_chosen_changes_nothing_before_it_is_set_up() -> None:
    """Where no way can be made for it, the session goes on as it was."""
    session = ready()
    before = dict(session.deliveries)
    assert session.choose(0, [UDP], []).lower is Lower.UDP
    assert (session.deliveries, session.lower) == (before, Lower.TCP)


def test_the_first_offer_that_can_be_served_is_taken() -> None:
    session = Session("id", now=0.0)
    assert session.lower is None
    delivery = set_up(session, 0, [UDP, TCP], [])
    assert (delivery.lower, delivery.pair, delivery.spec) == (Lower.UDP, (5000, 5001), "RTP/AVP")
    assert session.lower is Lower.UDP


def test_without_an_offer_the_transport_is_unsupported() -> None:
    session = Session("id", now=0.0)
    with pytest.raises(RtspError) as caught:
        set_up(session, 0, [], [])
    assert caught.value.status == 461
    assert session.state is State.INIT


def test_all_tracks_go_the_same_way() -> None:
    session = ready()
    assert set_up(session, 1, [UDP, ANY_TCP], []).lower is Lower.TCP
    with pytest.raises(RtspError) as caught:
        set_up(session, 2, [UDP], [])
    assert caught.value.status == 461


def test_a_single_track_may_change_its_way() -> None:
    """live555 asks again over UDP for a track whose SETUP over TCP it gave up."""
    session = ready()
    assert set_up(session, 0, [UDP], []).lower is Lower.UDP


def test_channels_are_chosen_where_the_player_names_none_or_used_ones() -> None:
    session = Session("id", now=0.0)
    assert set_up(session, 0, [ANY_TCP], [0, 1]).pair == (2, 3)
    assert set_up(session, 1, [Offer(Lower.TCP, (3, 4), "RTP/AVP/TCP")], [0, 1]).pair == (4, 5)
    assert set_up(session, 2, [Offer(Lower.TCP, (9, 12), "RTP/AVP/TCP")], [0, 1]).pair == (9, 12)


def test_when_no_channel_is_free_the_transport_is_refused() -> None:
    with pytest.raises(RtspError) as caught:
        set_up(Session("id", now=0.0), 0, [ANY_TCP], range(256))
    assert caught.value.status == 461


def test_two_tracks_cannot_share_ports() -> None:
    session = Session("id", now=0.0)
    set_up(session, 0, [UDP], [])
    with pytest.raises(RtspError) as caught:
        set_up(session, 1, [UDP], [])
    assert caught.value.status == 461
    assert set_up(session, 1, [OTHER_UDP], []).pair == (5002, 5003)


def test_a_session_expires_when_its_player_is_silent_for_too_long() -> None:
    session = Session("id", now=100.0)
    assert not session.expired(100.0 + SESSION_TIMEOUT)
    assert session.expired(100.0 + 2 * SESSION_TIMEOUT)
    session.seen(150.0)
    session.seen(120.0)  # told late: the newest counts
    assert not session.expired(150.0 + SESSION_TIMEOUT)
    assert session.expired(150.0 + 2 * SESSION_TIMEOUT)


def over_udp() -> Session:
    session = Session("id", now=0.0)
    set_up(session, 0, [UDP], [])
    set_up(session, 1, [OTHER_UDP], [])
    return session


def refuse(session: Session, *tracks: int, since: float, until: float) -> None:
    """Let the ports of these tracks refuse a packet each half second."""
    for half in range(round((until - since) * 2) + 1):
        for track in tracks:
            session.refused(track, since + half / 2)


def test_a_player_all_of_whose_ports_refuse_is_gone_after_a_second() -> None:
    session = over_udp()
    refuse(session, 0, 1, since=10.0, until=10.0 + DESERTED_AFTER - 0.5)
    assert not session.deserted(11.0)
    refuse(session, 0, 1, since=10.0 + DESERTED_AFTER, until=10.0 + DESERTED_AFTER)
    assert session.deserted(11.0)


def test_a_player_that_leaves_one_track_alone_is_there() -> None:
    session = over_udp()
    refuse(session, 1, since=10.0, until=20.0)
    assert not session.deserted(20.0)
    assert not Session("id", now=0.0).deserted(20.0)


def test_a_report_shows_that_the_player_is_there_whatever_was_refused() -> None:
    session = over_udp()
    refuse(session, 0, 1, since=10.0, until=12.0)
    session.seen(12.0)
    assert not session.deserted(12.0)


def test_refusals_of_long_ago_say_nothing() -> None:
    """A player may open its ports late; nothing tells that it has."""
    session = over_udp()
    refuse(session, 0, 1, since=10.0, until=12.0)
    assert not session.deserted(12.0 + 2 * REFUSED_AGAIN)
    refuse(session, 0, 1, since=30.0, until=30.0)
    assert not session.deserted(30.0)
