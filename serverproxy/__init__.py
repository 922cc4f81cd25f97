"""Server proxy: pulls a live RTSP source once and sends each stripe down its own tree."""
