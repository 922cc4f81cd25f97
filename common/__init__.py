"""What both daemons stand on: values, RTP, frames, logs, messages, RTSP; `runtime` is the shell."""
