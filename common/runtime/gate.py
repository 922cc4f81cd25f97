"""Who may ask a daemon over HTTP, and who may tell it what to do (ADR 0026).

Rules
-----
1. A name that leads to a loopback address may be anybody's (DNS rebinding): there, the Host of a
   request is `localhost` or an address.
2. An action comes with a JSON body from no other web page: a form cannot send such a body, a script
   of another origin would have to ask first, and is not answered.
3. It comes from this machine, or with the token. What a reverse proxy passes on comes from
   elsewhere, whatever its connection says.
"""

import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from common.ids import is_loopback
from common.runtime.problem import ProblemError

MISDIRECTED = 421
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
_BEARER = {"WWW-Authenticate": 'Bearer realm="stripecast"'}


@web.middleware
async def known_hosts(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page sends to a loopback address under a name of its own."""
    host = request.headers.get("Host")
    if host is not None and is_loopback(_address(request, "sockname")):
        name = _host_name(host)
        if not (name == "localhost" or name.endswith(".localhost") or _is_address(name)):
            raise ProblemError(
                MISDIRECTED, "Ask for localhost or for an address: no other name is served here."
            )
    return await handler(request)


def check_action(request: web.Request, token: str | None) -> None:
    """Raise ProblemError unless who asks may tell this daemon what to do."""
    if request.content_type != "application/json":
        raise ProblemError(415, "Send a JSON object, as Content-Type: application/json.")
    _check_who(request, token)


def may_act(request: web.Request, token: str | None) -> bool:
    """Whether who asks may tell this daemon what to do: a page shows its buttons then."""
    try:
        _check_who(request, token)
    except ProblemError:
        return False
    return True


def _check_who(request: web.Request, token: str | None) -> None:
    if not _same_origin(request.headers):
        raise ProblemError(403, "Another web page may not tell this daemon what to do.")
    given = request.headers.get("Authorization")
    if given is not None:
        kind, _, secret = given.partition(" ")
        same = token is not None and _equal(secret.strip(), token)
        if kind.lower() == "bearer" and same:
            return
        raise ProblemError(401, "This is not the token of this daemon.", headers=_BEARER)
    forwarded = any(name in request.headers for name in _FORWARDED)
    if forwarded or not is_loopback(_address(request, "peername")):
        sentence = "Ask from the machine of this daemon, or with the token: key `http_token`."
        raise ProblemError(401, sentence, headers=_BEARER)


def _same_origin(headers: Mapping[str, str]) -> bool:
    """Whether the request comes from no web page, or from one of this daemon."""
    if headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        return False
    origin = headers.get("Origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("Host", "").lower()
    except ValueError:
        return False


def _equal(given: str, token: str) -> bool:
    """Compare in constant time; bytes that are no text came as lone surrogates."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _address(request: web.Request, which: str) -> str:
    """Return the own (`sockname`) or the other's (`peername`) address of the connection."""
    found = None if request.transport is None else request.transport.get_extra_info(which)
    return str(found[0]) if found else ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _host_name(host: str) -> str:
    """Return a Host header without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""
