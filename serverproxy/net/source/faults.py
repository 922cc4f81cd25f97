"""What went wrong with a source, as one sentence that says what to do."""

import errno
import socket
import ssl

from aiortsp.rtsp.errors import (
    RTSPConnectionError,
    RTSPError,
    RTSPResponseError,
    RTSPTimeoutError,
)

from common.errors import PeerError, SourceError
from common.runtime.reasons import number_of
from serverproxy.core.interleaved import NotRtspError
from serverproxy.core.rtspurl import SourceUrl

_UNAUTHORIZED = 401
_MOST_REASON = 60
_ADVICE = {
    403: "the user may not see this stream: check its rights on the source",
    404: "there is no stream under this path: check the path of the URL",
    453: "the source has no bandwidth left: close other viewers of it",
    454: "the source has forgotten the session",
    461: "the source does not offer this transport: set transport to the other one, or to auto",
    503: "the source is overloaded or starting: close other viewers of it",
}
_SYSTEM = {
    errno.ECONNREFUSED: "refuses connections: is the source running, is the port right?",
    errno.EHOSTUNREACH: "cannot be reached: check the address, the network and the firewall",
    errno.ENETUNREACH: "cannot be reached: this machine has no route to that network",
    errno.ECONNRESET: "closed the connection",
}


class StatusError(SourceError):
    """The source answered a request with an error status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class RedirectedError(SourceError):
    """The source is elsewhere."""

    def __init__(self, location: str) -> None:
        super().__init__("the source redirects without saying where to")
        self.location = location


class NoMediaError(SourceError):
    """The source plays, but no RTP comes."""


class NoAnswerError(SourceError):
    """The source left a request unanswered."""


def explain(error: RTSPError, method: str, url: SourceUrl, *, has_password: bool) -> SourceError:
    """Return a failed request or connection as an error whose text is one line for the log."""
    place = f"{url.host}:{url.port}"
    if isinstance(error, RTSPResponseError) and error.response is not None:
        status = error.response.status
        return StatusError(status, _status(status, error.response.status_msg, method, has_password))
    if isinstance(error, RTSPTimeoutError):
        return NoAnswerError(
            f"{place} does not answer {method}: is it an RTSP server, is it healthy?"
        )
    cause = error.__cause__
    if isinstance(error, RTSPConnectionError) and isinstance(cause, PeerError):
        return SourceError(_protocol(cause, place))
    if isinstance(cause, OSError):
        return SourceError(_system(cause, place))
    return SourceError(f"{place} closed the connection at {method}")


def _status(status: int, reason: str, method: str, has_password: bool) -> str:
    shown = "".join(sign for sign in reason if sign.isprintable())[:_MOST_REASON]
    if status == _UNAUTHORIZED:
        if has_password:
            return "wrong user name or password (401): check username and password of the channel"
        return (
            # No URL as an example: the log would take its credentials out.
            "it asks for a user name and password (401): set username and password of the channel,"
            " or put both into its URL"
        )
    advice = _ADVICE.get(status)
    return f"it answered {status} {shown} to {method}" + (f": {advice}" if advice else "")


def _protocol(error: PeerError, place: str) -> str:
    if isinstance(error, NotRtspError):
        return f"{place} is not an RTSP server: {error}; check the port"
    return f"{place} breaks the protocol: {error}"


def _system(error: OSError, place: str) -> str:
    if isinstance(error, socket.gaierror):
        return f"cannot find the host of {place} ({error.strerror}): check the name and the DNS"
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {place} is not trusted ({error.verify_message}): "
            "set ca or fingerprint of the channel"
        )
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS with {place} failed ({error.reason or 'handshake'}): "
            "does it speak RTSPS on this port? rtsp:// is without TLS"
        )
    if isinstance(error, TimeoutError):
        return f"{place} does not answer: check the address, the network and the firewall"
    if sentence := _SYSTEM.get(number_of(error, _SYSTEM) or 0):
        return f"{place} {sentence}"
    return f"no connection to {place}: {error.strerror or type(error).__name__}"
