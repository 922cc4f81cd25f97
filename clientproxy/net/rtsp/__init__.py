"""Connections, dialogue, sessions and delivery of the RTSP server for players."""
