"""The HTTP side of the server proxy: the status page, the API, and what an operator may ask for."""

from collections.abc import Callable, Mapping

from common.runtime.files import load
from common.runtime.http import HttpServer
from serverproxy.net.operator import find_node, serve_actions
from serverproxy.net.status import Channels, detail, find, listing, node_detail, nodes, snapshot

DESCRIPTION = "/api/v1/openapi.yaml"


def serve(http: HttpServer, channels: Channels, close: Callable[[str], None]) -> None:
    """Add the page, the API and the actions of these channels; they may come and go.

    `close` closes a channel by its name.
    """
    serve_actions(http, channels, close)
    files = dict(load("common", "serverproxy"))
    files[DESCRIPTION] = files.pop("/web/openapi.yaml")
    http.serve_files(files)
    http.serve_events(lambda name: snapshot(channels, name))
    http.serve_json(
        {
            "/api/v1/channels": lambda: listing(channels),
            "/api/v1/channels/{name}": lambda name: detail(find(channels, name)),
            "/api/v1/channels/{name}/nodes": lambda name: {"nodes": nodes(find(channels, name))},
            "/api/v1/channels/{name}/nodes/{node}": lambda name, node: _node(channels, name, node),
        }
    )


def _node(channels: Channels, name: str, node: str) -> Mapping[str, object]:
    channel, known = find_node(channels, {"name": name, "node": node})
    return {"node": known, **node_detail(channel, known)}
