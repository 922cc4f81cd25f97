"""The files of a page: read once, from the packages' own `web` folders."""

import hashlib
import mimetypes
from collections.abc import Mapping
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler

INDEX = "index.html"
_TYPES = {".yaml": "application/yaml", ".js": "text/javascript", ".svg": "image/svg+xml"}


def load(*packages: str) -> Mapping[str, Handler]:
    """Return who answers for each file: `index.html` at `/`, the others under `/web/`."""
    handlers = {}
    for package in packages:
        for file in (files(package) / "web").iterdir():
            if file.is_file():
                path = "/" if file.name == INDEX else f"/web/{file.name}"
                handlers[path] = _handler(file.read_bytes(), file.name)
    return handlers


def _handler(content: bytes, name: str) -> Handler:
    suffix = name[name.rfind(".") :]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    tag = hashlib.sha256(content).hexdigest()[:16]
    # Asked for anew each time: after an update of the daemon no old script meets a new page.
    headers = {"Cache-Control": "no-cache", "ETag": f'"{tag}"'}

    async def answer(request: web.Request) -> web.Response:
        if any(one.value == tag for one in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        text = kind.startswith("text/") or kind.endswith(("javascript", "yaml"))
        charset = "utf-8" if text else None
        return web.Response(body=content, content_type=kind, charset=charset, headers=headers)

    return answer
