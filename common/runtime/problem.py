"""What a request that fails is answered with: a problem with a sentence (RFC 9457)."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError
from aiohttp.typedefs import Handler

from common.errors import ProxyError

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
_SENTENCES = {
    404: "There is nothing at {path}.",
    405: "{path} does not take {method}.",
    413: "The body is too long.",
}


class ProblemError(ProxyError):
    """A request that cannot be served; `sentence` says why, and what would help."""

    def __init__(
        self, status: int, sentence: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, dict(headers or {})

    def response(self) -> web.Response:
        """Return the answer."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.sentence,
        }
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(body),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


class AnsweringProtocol(web.RequestHandler):
    """aiohttp's connection, which answers with a problem where no handler could."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Log as aiohttp does; answer a bug of ours, or what is no request, with a sentence."""
        super().handle_error(request, status, exc, message)
        sentence = "This request failed; the log of the daemon says why."
        if isinstance(exc, BadHttpMethod):
            sentence = "This is no method of HTTP."
        elif isinstance(exc, HttpProcessingError):
            sentence = "This is no request of HTTP/1.1, or a too long one."
        response = ProblemError(status, sentence).response()
        response.force_close()
        return response


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever is refused with a problem; the protocol logs a bug, and answers it."""
    try:
        return await handler(request)
    except ProblemError as error:
        return error.response()
    except web.HTTPError as error:
        sentence = _SENTENCES.get(error.status, error.reason or "The request cannot be served.")
        sentence = sentence.format(path=request.path, method=request.method)
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return ProblemError(error.status, sentence, headers=allow).response()
