"""Responses as bytes."""

from common.rtsp.messages import MAX_REASON_CHARS, Response


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


def test_a_refusal_says_why_in_its_reason_phrase() -> None:
    told = Response(404, why="there is no channel 'x'; there are: cam").encode("7")
    assert told.startswith(
        b"RTSP/1.0 404 Not Found: there is no channel 'x'; there are: cam\r\nCSeq: 7\r\n"
    )


def test_a_reason_phrase_is_one_short_line_of_ascii() -> None:
    head = Response(503, why="a\r\nSession: 1\x00é" + "x" * 1000).encode(None)
    line, rest = head.split(b"\r\n", 1)
    assert line.startswith(b"RTSP/1.0 503 Service Unavailable: a??Session: 1??xxx")
    assert len(line) == len("RTSP/1.0 503 ") + MAX_REASON_CHARS
    assert rest == b"\r\n"
