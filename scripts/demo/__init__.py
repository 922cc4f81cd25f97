"""`make demo`: one source, two trees, four client proxies, and a live table of them."""
