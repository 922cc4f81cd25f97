"""The HTTP side of the server proxy: the status page, the API, and what an operator may ask for."""

from collections.abc import Mapping

from common.runtime.files import load
from common.runtime.http import HttpServer
from common.runtime.problem import ProblemError
from serverproxy.net.status import Channels, detail, find, listing, nodes, snapshot


def serve(http: HttpServer, channels: Channels) -> None:
    """Add the page and the API of these channels; they may come and go."""
    http.serve_files(load("common", "serverproxy"))
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
    found = nodes(find(channels, name)).get(node)
    if not isinstance(found, Mapping):
        raise ProblemError(404, f"There is no node {node!r} in channel {name}.")
    return {"node": node, **found}
