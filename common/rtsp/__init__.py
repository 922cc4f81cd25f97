"""RTSP/1.0 (RFC 2326) messages, headers, SDP and authentication, without I/O."""
