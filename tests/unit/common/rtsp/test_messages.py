"""Responses as bytes."""

from common.rtsp.messages import Response


def test_a_response_echoes_the_number_of_its_request() -> None:
    assert Response(404).encode("7") == b"RTSP/1.0 404 Not Found\r\nCSeq: 7\r\n\r\n"


def test_a_response_without_a_number_has_no_cseq() -> None:
    assert Response(400).encode(None) == b"RTSP/1.0 400 Bad Request\r\n\r\n"


def test_a_body_comes_with_its_length() -> None:
    response = Response(200, (("Content-Type", "application/sdp"),), b"v=0\r\n")
    assert response.encode("1") == (
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
        b"Content-Length: 5\r\n\r\nv=0\r\n"
    )
