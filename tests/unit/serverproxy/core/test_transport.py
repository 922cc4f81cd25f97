"""Transport and Session headers of a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serverproxy.core.transport import Session, Transport, read_session, read_transport


@pytest.mark.parametrize(
    ("header", "transport"),
    [
        (
            "RTP/AVP/TCP;unicast;interleaved=4-5;ssrc=AB",
            Transport(tcp=True, channels=(4, 5), server_ports=None, source=""),
        ),
        (
            "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;source=10.0.0.9",
            Transport(tcp=False, channels=None, server_ports=(6970, 6971), source="10.0.0.9"),
        ),
        # aiortsp raises for a single port
        ("RTP/AVP/UDP; server_port=5000", Transport(False, None, (5000, 5001), "")),
        ("rtp/avp/tcp;INTERLEAVED=2", Transport(True, (2, 3), None, "")),
        ("RTP/AVP/TCP;interleaved=300-301", Transport(True, None, None, "")),
        ("", Transport(False, None, None, "")),
    ],
)
def test_a_transport_is_read(header: str, transport: Transport) -> None:
    assert read_transport(header) == transport


@pytest.mark.parametrize(
    ("header", "session"),
    [
        ("12;timeout=30", Session("12", 30.0)),
        ("12; Timeout = 30.5", Session("12", 30.5)),
        ("12", Session("12", 60.0)),
        ("12;timeout=soon", Session("12", 60.0)),
        ("12;timeout=0", Session("12", 2.0)),
    ],
)
def test_a_session_is_read(header: str, session: Session) -> None:
    assert read_session(header) == session


@given(st.text())
def test_any_header_is_read(header: str) -> None:
    read_transport(header)
    read_session(header)
