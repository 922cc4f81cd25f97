"""Getting in: redirects and passwords."""

import hashlib
import re
import ssl
from pathlib import Path

import pytest

from serverproxy.net.source import Source, SourceSettings
from tests.integration.source.scripted import (
    Request,
    ScriptedServer,
    Watcher,
    running,
    serving,
)
from tests.support.sources import make_certificate


def source(
    server: ScriptedServer,
    watcher: Watcher,
    *,
    url: str = "",
    username: str | None = None,
    password: str | None = None,
) -> Source:
    settings = SourceSettings(
        url=url or server.url, transport="tcp", username=username, password=password
    )
    return Source(settings, watcher, channel="cam")


async def test_a_redirect_is_followed_and_credentials_stay_with_their_host() -> None:
    def elsewhere(request: Request) -> bytes:
        location = target.url.replace("127.0.0.1", "localhost")
        return request.reply("302 Moved", Location=location)

    def closed(request: Request) -> bytes:
        if request.method == "DESCRIBE" and "authorization" not in request.headers:
            return request.reply("401 Unauthorized", WWW_Authenticate='Basic realm="r"')
        return target.usual(request)

    watcher = Watcher()
    target = ScriptedServer(DESCRIBE=closed)
    async with serving(target), serving(ScriptedServer(DESCRIBE=elsewhere)) as server:
        pulled = source(server, watcher, username="ali", password="sesame")
        async with running(pulled.run):
            await watcher.until(lambda: bool(watcher.downs))
    assert "asks for a user name" in watcher.downs[0]
    assert all("authorization" not in request.headers for request in target.requests)


async def test_a_redirect_on_the_same_host_keeps_the_credentials() -> None:
    def closed(request: Request) -> bytes:
        if "authorization" not in request.headers:
            return request.reply("401 Unauthorized", WWW_Authenticate='Basic realm="r"')
        return target.usual(request)

    target = ScriptedServer(DESCRIBE=closed)
    server = ScriptedServer(DESCRIBE=lambda one: one.reply("301 Moved", Location=target.url))
    async with serving(target), serving(server):
        pulled = source(server, Watcher(), username="ali", password="sesame")
        async with running(pulled.run):
            await target.played()


async def test_redirects_in_a_circle_end() -> None:
    server = ScriptedServer(DESCRIBE=lambda one: one.reply("302 Found", Location=server.url))
    watcher = Watcher()
    async with serving(server), running(source(server, watcher).run):
        await watcher.until(lambda: bool(watcher.downs))
    assert watcher.downs == ["the source redirects more than 3 times"]


async def test_a_redirect_may_not_give_up_tls(tmp_path: Path) -> None:
    certificate = tmp_path / "camera.pem"
    make_certificate(certificate, certificate.with_suffix(".key"), "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    target, watcher = ScriptedServer(), Watcher()
    server = ScriptedServer(DESCRIBE=lambda one: one.reply("302 Found", Location=target.url))
    async with serving(target), serving(server, tls=context):
        settings = SourceSettings(url=server.url.replace("rtsp", "rtsps"), ca=str(certificate))
        async with running(Source(settings, watcher, channel="cam").run):
            await watcher.until(lambda: bool(watcher.downs))
    assert "without TLS" in watcher.downs[0]
    assert target.requests == []


def digest(request: Request, algorithm: str, password: str = "p w") -> bool:
    """Check an answer with qop=auth as a server does."""
    given = dict(
        re.findall(r'(\w+)=(?:")?([^",]*)', request.headers.get("authorization", "").lower())
    )
    raw = dict(re.findall(r'(\w+)="([^"]*)"', request.headers.get("authorization", "")))

    def hashed(text: str) -> str:
        return hashlib.new(algorithm, text.encode()).hexdigest()

    secret = hashed(f"us@r:realm:{password}")
    what = hashed(f"{request.method}:{request.url}")
    middle = f"{raw.get('nonce')}:{given.get('nc')}:{raw.get('cnonce')}:auth"
    return raw.get("response") == hashed(f"{secret}:{middle}:{what}")


@pytest.mark.parametrize(("algorithm", "name"), [("MD5", "md5"), ("SHA-256", "sha256")])
async def test_digest_is_answered_and_a_stale_nonce_renewed(algorithm: str, name: str) -> None:
    nonces = iter(["first", "second", "third"])
    nonce = [next(nonces)]

    def closed(request: Request) -> bytes:
        if f'nonce="{nonce[0]}"' not in request.headers.get("authorization", ""):
            challenge = (
                f'basic realm="x", digest realm="realm", nonce="{nonce[0]}", qop="auth", '
                f"algorithm={algorithm}"
            )
            return request.reply("401 Unauthorized", WWW_Authenticate=challenge)
        if not digest(request, name):
            return request.reply("403 Forbidden")
        if request.method == "SETUP":
            nonce[0] = next(nonces)  # every nonce serves a while only
        return server.usual(request)

    server = ScriptedServer(DESCRIBE=closed, SETUP=closed, PLAY=closed)
    async with serving(server):
        url = server.url.replace("://", "://us%40r:p%20w@")
        async with running(source(server, Watcher(), url=url).run):
            await server.played()
    assert all("Basic" not in one.headers.get("authorization", "") for one in server.requests)


async def test_an_empty_password_is_a_password() -> None:
    """Aiortsp as it is does not even try."""

    def closed(request: Request) -> bytes:
        if request.headers.get("authorization") != "Basic YWRtaW46":
            return request.reply("401 Unauthorized", WWW_Authenticate='Basic realm="r"')
        return server.usual(request)

    server = ScriptedServer(DESCRIBE=closed)
    async with serving(server), running(source(server, Watcher(), username="admin").run):
        await server.played()
