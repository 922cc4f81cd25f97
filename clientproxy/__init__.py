"""Client proxy: joins the trees, relays one stripe, merges all, serves RTSP on localhost."""
