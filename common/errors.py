"""The exception tree: the class says who is at fault.

- ProxyError: root of all that this project raises on purpose
  - ConfigError: the operator's file or arguments; the daemon ends with exit code 2
  - PeerError: the other side broke the protocol; its link is closed, the daemon lives on
  - RtspError: a request that the RTSP server refuses with a status (RFC 2326, 7.1.1)
  - SourceError: the source could not be pulled; the source is tried again
"""

from typing import ClassVar


class ProxyError(Exception):
    """Root of every error that Stripecast raises on purpose."""


class ConfigError(ProxyError):
    """Every fault of a configuration file or of the arguments, all at once."""

    def __init__(self, faults: list[str]) -> None:
        """Take one sentence per fault; each names the dotted key and says what to do."""
        super().__init__("\n".join(faults))
        self.faults = faults


class PeerError(ProxyError):
    """The other side broke the protocol. Close that link; the daemon lives on."""

    reason: ClassVar[str] = "protocol"
    """Machine-readable: a metric label and the `reason` of a Refused message."""


class BadMessageError(PeerError):
    """A control message that is too long, is not JSON, or has an unknown type or field value."""

    reason: ClassVar[str] = "bad_request"


class VersionError(PeerError):
    """The first message of a link is of another version of the overlay protocol."""

    reason: ClassVar[str] = "version"


class BadFrameError(PeerError):
    """A frame with an unknown type or an impossible length or field."""

    reason: ClassVar[str] = "bad_frame"


class RtspError(ProxyError):
    """A request that the RTSP server refuses."""

    def __init__(self, status: int, why: str) -> None:
        """Take the RTSP status code and a sentence for the log."""
        super().__init__(f"{status}: {why}")
        self.status, self.why = status, why


class SourceError(ProxyError):
    """The source could not be pulled, or its pull ended; `str()` is one line for the log."""
