"""Who can reach whom: this machine the server proxy, the others this machine."""

import ipaddress
from collections.abc import Iterator

from clientproxy.core.diagnosis.finding import Finding
from clientproxy.core.diagnosis.measured import Attempt, Measured, Port, Sample, Server
from common.ids import is_loopback
from common.words import time


def server(found: Server) -> Iterator[Finding]:
    """Judge whether a server proxy answers at the address."""
    if not any(one.outcome == "connected" for one in found.attempts):
        yield _out_of_reach(found)
        return
    if found.answer != "server proxy":
        yield _not_a_server_proxy(found)
        return
    took = next(one.seconds for one in found.attempts if one.outcome == "connected")
    yield Finding(
        level="ok",
        topic="server",
        what=f"A server proxy answers at {found.address} (connected in {time(took)}).",
    )
    yield from _of_families(found)


def _out_of_reach(found: Server) -> Finding:
    if found.unknown_name:
        return Finding(
            level="problem",
            topic="server",
            what=f"The name {found.host} cannot be looked up: {found.unknown_name}.",
            meaning="Nothing was tried: there is no address to connect to.",
            advice="Check the spelling, or write the server's IP address instead of its name.",
        )
    tried = ", ".join(_tried(one) for one in found.attempts)
    outcomes = {one.outcome for one in found.attempts}
    if "refused" in outcomes:
        meaning = f"The host is there, but no program listens on its TCP port {found.port}."
        advice = (
            "Start `serverproxy run` there; if it runs, look in its first log lines for its overlay"
            f" port and write {found.host}:PORT; if it listens on 127.0.0.1 only, change `listen`."
        )
    elif "no answer" in outcomes:
        meaning = "The host is off, or a firewall on the way drops what is sent to that port."
        advice = (
            f"Open TCP port {found.port} in the firewall of {found.host}; is the address right?"
        )
    else:
        meaning = "There is no way from this machine to that network, or a rule forbids it."
        advice = (
            "Check this machine's network (cable, Wi-Fi, VPN) and its own firewall, then the"
            " address."
        )
    what = f"Nobody answers at {found.address}: {tried}."
    return Finding(level="problem", topic="server", what=what, meaning=meaning, advice=advice)


def _tried(one: Attempt) -> str:
    outcome = {
        "refused": "refused",
        "no answer": f"no answer within {one.seconds:.0f} s",
        "unreachable": f"unreachable ({one.why})" if one.why else "unreachable",
        "connected": "connected",
    }[one.outcome]
    return f"{one.family} {one.host} {outcome}"


def _not_a_server_proxy(found: Server) -> Finding:
    other = "Write the server proxy's overlay port: SERVER:PORT (7854 if nobody changed it)."
    if found.answer == "another version":
        return Finding(
            level="problem",
            topic="server",
            what=f"The server proxy at {found.address} is of another version: {found.said}.",
            meaning="It lets this client proxy into no channel.",
            advice="Install the same version of Stripecast on both machines.",
        )
    if found.answer == "client proxy":
        what = f"At {found.address} is a client proxy, not a server proxy."
    elif found.answer == "nothing":
        what = f"Something takes connections at {found.address}, but does not answer."
    else:
        said = f": it answered {found.said!r}" if found.said else ""
        what = f"At {found.address} is no Stripecast server proxy{said}."
    return Finding(
        level="problem",
        topic="server",
        what=what,
        meaning="Another service has this port." if found.answer == "something else" else "",
        advice=other,
    )


def _of_families(found: Server) -> Iterator[Finding]:
    """Judge a name of several addresses of which not all answer."""
    failed = [one for one in found.attempts if one.outcome != "connected"]
    if not failed:
        return
    works = next(one.host for one in found.attempts if one.outcome == "connected")
    # A client proxy tries one after the other, and gives up while the first one is silent.
    hangs = found.attempts[0].outcome == "no answer"
    yield Finding(
        level="problem" if hangs else "warning",
        topic="server",
        what=f"Not every address of {found.host} answers: {', '.join(map(_tried, failed))}.",
        meaning="A client proxy tries that address first, and comes no further."
        if hangs
        else "Who can use only that one does not get through.",
        advice=f"Write the address that works: `clientproxy run {_written(works, found.port)}`;"
        " and tell whoever runs the server.",
    )


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def channel(measured: Measured) -> Iterator[Finding]:
    """Judge whether there is the channel that was asked for."""
    known, asked = measured.server.channels, measured.asked
    if measured.server.answer != "server proxy":
        return
    if known is None:
        if asked is None:
            yield Finding(
                level="not measured",
                topic="channel",
                what="The server proxy does not say which channels it has, so none was looked at.",
                advice="Name one: `clientproxy doctor SERVER CHANNEL`.",
            )
        return
    names = ", ".join(known)
    if not known:
        yield Finding(
            level="problem",
            topic="channel",
            what="The server proxy has no channel.",
            meaning="There is nothing to watch yet.",
            advice="Give it one: `serverproxy run --channel NAME=RTSP_URL`.",
        )
    elif asked is not None and asked not in known:
        yield Finding(
            level="problem",
            topic="channel",
            what=f"There is no channel {asked}. There are: {names}.",
            meaning="A player that opens it is told 404.",
            advice=f"Open one of those: rtsp://{_where_players_come(measured)}/{known[0]}",
        )
    else:
        seen = f" Looked at: {measured.sample.channel}." if measured.sample else ""
        there = "one channel" if len(known) == 1 else f"{len(known)} channels"
        what = f"The server proxy has {there}: {names}.{seen}"
        yield Finding(level="ok", topic="channel", what=what)


def _where_players_come(measured: Measured) -> str:
    """Return HOST:PORT of a player's URL, with the port that was asked for."""
    rtsp = next((one for one in measured.ports if one.key == "rtsp"), None)
    if rtsp is None:
        return "localhost:8554"
    here = _anywhere(rtsp) or is_loopback(_host(rtsp))
    return f"localhost:{rtsp.port}" if here else rtsp.address


def reachable(measured: Measured) -> Iterator[Finding]:
    """Judge whether other nodes can reach this machine: the server proxy has tried."""
    sample, running = measured.sample, measured.running
    if sample is None or not (sample.offered or sample.reached):
        return
    listen = next((one for one in measured.ports if one.key == "listen"), None)
    if listen is None or (listen.state == "free" and listen.port in (0, sample.tested_port)):
        if sample.reached:
            yield _reached(measured.server, sample)
        else:
            yield _unreached(measured.server, sample, sample.tested_port, listen)
    elif listen.state != "client proxy" or running is None or running.reached is None:
        yield _another(listen, sample)
    elif running.reached:
        yield Finding(
            level="ok",
            topic="reachable",
            what=f"Other nodes reach the client proxy that runs here, at port {listen.port}.",
        )
    else:
        yield _unreached(measured.server, sample, listen.port, listen)


def _another(listen: Port, sample: Sample) -> Finding:
    """Say what another port than the one in question shows: a firewall may treat them otherwise."""
    reached = "is reached" if sample.reached else "is not reached"
    return Finding(
        level="not measured",
        topic="reachable",
        what=f"Port {listen.port} is not free here. Port {sample.tested_port}, tried in its place,"
        f" {reached} by the server proxy.",
        meaning="A firewall may treat the two differently.",
        advice="End the program that has the port, or let the client proxy that has it watch a"
        " channel; then ask again.",
    )


def _reached(server: Server, sample: Sample) -> Finding:
    where = ", ".join(sample.reached)
    if same_machine(server):
        return Finding(
            level="ok",
            topic="reachable",
            what=f"The server proxy reaches this machine at {where}.",
            meaning="It is on this machine itself: whether others can is not measured.",
        )
    return Finding(
        level="ok",
        topic="reachable",
        what=f"The server proxy reaches this machine at {where}, and so can other nodes.",
        meaning="A client proxy here can pass on what it watches.",
    )


def _unreached(server: Server, sample: Sample, port: int, listen: Port | None) -> Finding:
    if listen is not None and _listens_elsewhere(listen, server, sample):
        advice = (
            f"The configuration says `listen: {listen.address}`: nobody gets in by another address"
            f" than {_host(listen)}. Write `listen: :{listen.port}` (--listen :{listen.port})."
        )
    elif sample.advertised:
        advice = (
            f"The configuration says `advertise: {', '.join(sample.advertised)}`: is it the address"
            f" of your router, and does it pass TCP port {port} on to {server.local_host}?"
        )
    elif _private(server.local_host) and not _private(_connected(server)):
        advice = (
            f"This machine is behind a router (NAT): let that pass TCP port {port} on to"
            f" {server.local_host} (port forwarding), and open it in this machine's firewall."
        )
    else:
        advice = (
            f"Open TCP port {port} in the firewall of this machine ({server.local_host}), and in"
            " any other one between it and the server proxy."
        )
    return Finding(
        level="warning",
        topic="reachable",
        what="You pass nothing on: the server proxy cannot connect to TCP port"
        f" {port} of this machine.",
        meaning="You watch, but others get nothing from you; when all places are taken, you get"
        " none.",
        advice=advice,
    )


def _listens_elsewhere(listen: Port, server: Server, sample: Sample) -> bool:
    """Whether `listen` keeps out who connects to the address that this machine is known by."""
    if _anywhere(listen) or _host(listen) == server.local_host:
        return False
    return is_loopback(_host(listen)) or not sample.advertised


def _host(port: Port) -> str:
    return port.address.rpartition(":")[0].strip("[]")


def _anywhere(port: Port) -> bool:
    """Whether it is opened on all addresses."""
    return _host(port) in {"", "0.0.0.0", "::"}  # noqa: S104 - asked for


def _connected(found: Server) -> str:
    return next((one.host for one in found.attempts if one.outcome == "connected"), "")


def _private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False


def same_machine(found: Server) -> bool:
    """Whether the server proxy was reached without leaving this machine."""
    return (
        bool(found.local_host)
        and _connected(found).partition("%")[0] == found.local_host.partition("%")[0]
    )
