"""What is said of what was measured: levels, verdict, and that the advice names what to do."""

import json
from dataclasses import replace

import pytest

from clientproxy.core.diagnosis import report
from clientproxy.core.diagnosis.diagnose import Diagnosis, diagnose
from clientproxy.core.diagnosis.finding import Finding, Level, Topic
from clientproxy.core.diagnosis.measured import (
    Answer,
    Attempt,
    Clock,
    Measured,
    Outcome,
    Parent,
    Port,
    Running,
    Sample,
    Server,
    State,
)
from common.fields import Track
from common.words import plural

SERVER = "93.184.216.34"


def attempt(outcome: Outcome = "connected", host: str = SERVER) -> Attempt:
    took = 3.0 if outcome == "no answer" else 0.012
    return Attempt(
        host=host, family="IPv6" if ":" in host else "IPv4", outcome=outcome, seconds=took
    )


def server(
    *attempts: Attempt,
    answer: Answer | None = "server proxy",
    said: str = "",
    channels: tuple[str, ...] | None = ("cam", "door"),
    local_host: str = "192.168.1.20",
) -> Server:
    return Server(
        address="server.example:7854",
        host="server.example",
        port=7854,
        attempts=attempts or (attempt(),),
        answer=answer,
        said=said,
        channels=channels,
        local_host=local_host,
    )


def port(state: State, why: str = "") -> Port:
    return Port(key="listen", address=":7855", port=7855, state=state, why=why)


PARENTS = (
    Parent(stripe=0, node="root", hops=1, rtt=0.02, received=500),
    Parent(stripe=1, node="n4", hops=2, rtt=0.03, received=500),
)
REACHED = ("198.51.100.7:7855",)
SAMPLE = Sample(
    channel="cam",
    offered=True,
    source_up=True,
    reached=REACHED,
    tested_port=7855,
    tracks=(Track(0, "video", "H264", 90000, 96),),
    stripes=2,
    first_packet=0.08,
    seconds=5.0,
    stream_seconds=5.0,
    bytes=1_312_500,
    packets=1000,
    fastest=400_000.0,
    delay=0.04,
    parents=PARENTS,
)
HEALTHY = Measured(
    server=server(),
    ports=(port("free"),),
    clock=Clock(offset=-0.02, uncertainty=0.006),
    round_trips=(0.012, 0.013, 0.012),
    sample=SAMPLE,
)


def said(diagnosis: Diagnosis, topic: Topic, level: Level) -> Finding:
    """Return the one finding of that topic and level."""
    (found,) = (one for one in diagnosis.findings if (one.topic, one.level) == (topic, level))
    return found


def of(**changes: object) -> Diagnosis:
    """Return what is said of a healthy machine but for these."""
    return diagnose(replace(HEALTHY, **changes))  # type: ignore[arg-type]


def sampled(**changes: object) -> Diagnosis:
    """Return what is said of a healthy machine but for these figures of the sample."""
    return of(sample=replace(SAMPLE, **changes))  # type: ignore[arg-type]


# --- all is well


def test_where_nothing_is_wrong_the_verdict_says_so_with_the_bit_rate() -> None:
    diagnosis = diagnose(HEALTHY)
    assert (diagnosis.level, diagnosis.exit_code) == ("ok", 0)
    assert diagnosis.verdict == (
        "Nothing limits you: cam comes in time at 2.1 Mbit/s; you can pass it on."
    )
    assert {one.level for one in diagnosis.findings} == {"ok", "not measured"}
    assert [one.topic for one in diagnosis.findings if one.level == "not measured"] == ["upload"]


def test_without_a_sample_nothing_is_said_of_the_stream() -> None:
    diagnosis = of(sample=None, clock=None, round_trips=(), server=server(channels=None))
    assert diagnosis.exit_code == 0
    assert diagnosis.verdict == "The server proxy can be reached; no stream was looked at."
    assert "doctor SERVER CHANNEL" in said(diagnosis, "channel", "not measured").advice
    assert [one.topic for one in diagnosis.findings] == ["server", "ports", "channel"]


def test_a_channel_that_was_asked_for_may_be_one_that_the_server_proxy_does_not_list() -> None:
    diagnosis = of(server=server(channels=None), asked="cam")
    assert diagnosis.level == "ok"


# --- the server proxy


def gone(*attempts: Attempt, unknown_name: str = "") -> Diagnosis:
    found = replace(server(), attempts=attempts, answer=None, unknown_name=unknown_name)
    return diagnose(Measured(server=found))


def test_a_refused_connection_is_another_thing_than_silence() -> None:
    refused, silent = gone(attempt("refused")), gone(attempt("no answer"))
    assert refused.exit_code == silent.exit_code == 1
    one, other = said(refused, "server", "problem"), said(silent, "server", "problem")
    assert f"IPv4 {SERVER} refused" in one.what
    assert "no program listens on its TCP port 7854" in one.meaning
    assert "serverproxy run" in one.advice
    assert f"IPv4 {SERVER} no answer within 3 s" in other.what
    assert "firewall" in other.meaning
    assert "Open TCP port 7854" in other.advice
    assert refused.verdict == one.what


def test_where_there_is_no_way_the_reason_of_the_system_is_told() -> None:
    found = replace(attempt("unreachable"), why="Network is unreachable")
    assert "(Network is unreachable)" in said(gone(found), "server", "problem").what


def test_a_name_that_is_not_known_is_said_to_be_that() -> None:
    finding = said(gone(unknown_name="Name or service not known"), "server", "problem")
    assert finding.what == (
        "The name server.example cannot be looked up: Name or service not known."
    )


@pytest.mark.parametrize(
    ("answer", "text", "expected"),
    [
        (
            "something else",
            "HTTP/1.0 400 Bad Request",
            "is no Stripecast server proxy: it answered",
        ),
        ("something else", "", "is no Stripecast server proxy."),
        ("client proxy", "", "is a client proxy, not a server proxy"),
        ("nothing", "", "takes connections at server.example:7854, but does not answer"),
        ("another version", "I speak version 2", "of another version: I speak version 2"),
    ],
)
def test_who_answers_but_is_no_server_proxy_is_named(
    answer: Answer, text: str, expected: str
) -> None:
    diagnosis = diagnose(Measured(server=server(answer=answer, said=text, channels=None)))
    assert diagnosis.exit_code == 1
    assert expected in diagnosis.verdict
    assert said(diagnosis, "server", "problem").advice


def test_a_second_address_that_fails_is_a_warning_with_the_one_that_works() -> None:
    diagnosis = of(server=server(attempt(), attempt("refused", "2001:db8::1")))
    finding = said(diagnosis, "server", "warning")
    assert "IPv6 2001:db8::1 refused" in finding.what
    assert f"clientproxy run {SERVER}:7854" in finding.advice
    assert diagnosis.verdict.startswith("You can watch cam, but not every address")


def test_a_first_address_that_is_silent_keeps_a_client_proxy_from_the_others() -> None:
    diagnosis = of(server=server(attempt("no answer"), attempt(host="2001:db8::1")))
    assert diagnosis.exit_code == 1
    assert "comes no further" in said(diagnosis, "server", "problem").meaning
    assert "run [2001:db8::1]:7854" in said(diagnosis, "server", "problem").advice


# --- channels and places


def test_an_unknown_channel_is_told_those_that_there_are() -> None:
    diagnosis = of(asked="nope", sample=None)
    assert diagnosis.verdict == "There is no channel nope. There are: cam, door."
    assert diagnosis.exit_code == 1


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:28554", "rtsp://localhost:28554/cam"),
        (":28554", "rtsp://localhost:28554/cam"),
        ("[::1]:28554", "rtsp://localhost:28554/cam"),
        ("192.0.2.2:28554", "rtsp://192.0.2.2:28554/cam"),
    ],
)
def test_the_url_to_open_is_that_of_the_port_that_was_asked_for(address: str, url: str) -> None:
    rtsp = Port(key="rtsp", address=address, port=28554, state="free")
    found = said(of(asked="nope", sample=None, ports=(rtsp,)), "channel", "problem")
    assert found.advice.endswith(url)


def test_a_server_proxy_without_channels_has_nothing_to_watch() -> None:
    assert of(server=server(channels=()), sample=None).verdict == "The server proxy has no channel."


def test_one_channel_is_counted_as_one() -> None:
    found = said(of(server=server(channels=("cam",))), "channel", "ok")
    assert found.what == "The server proxy has one channel: cam. Looked at: cam."


def test_a_full_channel_says_that_being_reached_would_help() -> None:
    sample = Sample(channel="cam", refused="no slot is free for you now", full=True)
    diagnosis = of(sample=sample)
    assert diagnosis.verdict == "Channel cam is full: no slot is free for you."
    assert "overlay port" in said(diagnosis, "channel", "problem").advice
    assert "reachable" not in {one.topic for one in diagnosis.findings}


def test_a_full_channel_that_would_take_a_node_with_slots_is_no_problem() -> None:
    reached = ("192.0.2.1:7855",)
    sample = Sample(channel="cam", refused="no", full=True, reached=reached, tested_port=7855)
    diagnosis = of(sample=sample)
    assert diagnosis.verdict == "The server proxy can be reached; no stream was looked at."
    assert "no free slot" in said(diagnosis, "stream", "not measured").what
    assert "192.0.2.1:7855" in said(diagnosis, "reachable", "ok").what


def test_a_refusal_of_another_kind_is_told_in_its_own_words() -> None:
    diagnosis = of(sample=Sample(channel="cam", refused="sent away by the operator"))
    assert diagnosis.verdict == "No place in channel cam: sent away by the operator."


def test_a_server_proxy_that_does_not_answer_join_is_a_problem() -> None:
    assert "did not answer" in of(sample=Sample(channel="cam")).verdict


# --- reachability


def test_who_is_not_reached_watches_but_passes_nothing_on() -> None:
    diagnosis = sampled(reached=())
    finding = said(diagnosis, "reachable", "warning")
    assert (diagnosis.level, diagnosis.exit_code) == ("warning", 0)
    assert diagnosis.verdict == (
        "You can watch cam, but you pass nothing on: the server proxy cannot connect to TCP port"
        " 7855 of this machine."
    )
    assert "behind a router (NAT)" in finding.advice
    assert "7855 on to 192.168.1.20" in finding.advice
    assert "upload" not in {one.topic for one in diagnosis.findings}


def test_in_one_network_it_is_the_firewall_and_no_router() -> None:
    near = server(attempt(host="192.168.1.1"))
    finding = said(of(server=near, sample=replace(SAMPLE, reached=())), "reachable", "warning")
    assert finding.advice.startswith("Open TCP port 7855 in the firewall of this machine (192.168")


@pytest.mark.parametrize(
    ("address", "named"),
    [("127.0.0.1:7855", True), ("192.168.7.7:7855", True), ("192.168.1.20:7855", False)],
)
def test_who_listens_at_another_address_only_is_told_so(address: str, named: bool) -> None:
    """No firewall is to blame for what `listen` says."""
    listen = replace(port("free"), address=address)
    diagnosis = of(ports=(listen,), sample=replace(SAMPLE, reached=()))
    advice = said(diagnosis, "reachable", "warning").advice
    assert (f"`listen: {address}`" in advice) == named
    assert ("--listen :7855" in advice) == named
    assert ("firewall" in advice) == (not named)


def test_an_address_that_is_advertised_in_vain_is_named() -> None:
    diagnosis = sampled(reached=(), advertised=("home.example:7855",))
    assert "advertise: home.example:7855" in said(diagnosis, "reachable", "warning").advice


def test_a_server_proxy_on_this_machine_shows_nothing_of_others() -> None:
    here = server(attempt(host="127.0.0.1"), local_host="127.0.0.1")
    diagnosis = of(server=here)
    assert "is not measured" in said(diagnosis, "reachable", "ok").meaning
    assert "pass it on" not in diagnosis.verdict


RUNNING = Running(overlay="0.0.0.0:7855", rtsp="127.0.0.1:8554", http="127.0.0.1:9855")


def running(known: bool | None, reached: tuple[str, ...] = REACHED) -> Diagnosis:
    """Return what is said beside a client proxy; `known`: whether it knows that it is reached."""
    return of(
        ports=(port("client proxy"),),
        running=replace(RUNNING, reached=known),
        sample=replace(SAMPLE, tested_port=41000, reached=reached),
    )


def test_a_client_proxy_that_runs_here_is_no_clash() -> None:
    diagnosis = running(None)
    assert diagnosis.level == "ok"
    assert "runs here already" in said(diagnosis, "ports", "ok").what
    other = said(diagnosis, "reachable", "not measured")
    assert "Port 41000, tried in its place, is reached" in other.what
    assert "41000" not in other.advice


def test_what_the_running_client_proxy_knows_counts_more_than_another_port() -> None:
    well = running(True, reached=())
    assert "at port 7855" in said(well, "reachable", "ok").what
    assert well.level == "ok"
    assert "TCP port 7855" in said(running(False), "reachable", "warning").what


def test_ports_that_others_have_keep_a_client_proxy_from_starting() -> None:
    diagnosis = of(ports=(port("taken"),))
    finding = said(diagnosis, "ports", "problem")
    assert finding.what == "Another program has the port of `listen`: :7855."
    assert "--listen HOST:PORT" in finding.advice
    assert "Port 7855 is not free" in said(diagnosis, "reachable", "not measured").what
    denied = of(ports=(port("impossible", "Permission denied"),))
    assert "Permission denied" in said(denied, "ports", "problem").what


def test_a_port_that_another_doctor_has_for_a_while_is_no_problem() -> None:
    diagnosis = of(ports=(port("another client proxy"),), sample=replace(SAMPLE, tested_port=9))
    finding = said(diagnosis, "ports", "warning")
    assert finding.what == "Another `clientproxy` has the port of `listen`: :7855."
    assert "half a minute" in finding.advice
    assert diagnosis.exit_code == 0


def test_a_port_that_was_lost_on_the_way_is_not_the_one_that_was_tried() -> None:
    """Another doctor took it, between the look at the ports and the visit."""
    diagnosis = sampled(tested_port=41_000, reached=())
    assert "Port 7855 is not free" in said(diagnosis, "reachable", "not measured").what


# --- the stream


def test_a_source_that_is_down_is_nobodys_fault_here() -> None:
    none = {"packets": 0, "bytes": 0, "stream_seconds": 0.0, "first_packet": None}
    diagnosis = sampled(source_up=False, **none)
    assert diagnosis.verdict == "The source of channel cam is down."
    why = sampled(source_up=False, source_trouble="refused, for 3 s", **none)
    assert why.verdict == "The source of channel cam is down: refused, for 3 s."
    assert "neither you nor your network" in said(diagnosis, "stream", "problem").meaning
    topics = {one.topic for one in diagnosis.findings}
    assert not topics & {"download", "upload", "parents"}


def test_a_source_that_is_up_but_brings_nothing_is_a_problem() -> None:
    diagnosis = sampled(first_packet=None, packets=0, bytes=0, stream_seconds=0.0)
    assert diagnosis.verdict == "The source is up, but no packet came."


@pytest.mark.parametrize(("lost", "level"), [(1, "warning"), (100, "problem")])
def test_lost_packets_are_judged_by_their_share(lost: int, level: Level) -> None:
    diagnosis = sampled(lost=lost)
    assert said(diagnosis, "stream", level).what.startswith(
        f"{lost} of {1000 + lost:,} packets were"
    )
    assert diagnosis.level == level


def test_a_stream_that_comes_slower_than_it_is_made_is_a_problem_with_both_rates() -> None:
    diagnosis = sampled(delay=3.1, stream_seconds=2.0, bytes=525_000)
    finding = said(diagnosis, "download", "problem")
    assert "needs 2.1 Mbit/s, but 840 kbit/s came" in finding.what
    assert "3.1 s behind" in finding.what
    assert diagnosis.exit_code == 1


def test_what_is_lost_on_a_line_that_is_too_slow_follows_from_that() -> None:
    diagnosis = sampled(delay=3.1, stream_seconds=2.0, bytes=525_000, lost=400)
    assert diagnosis.verdict.startswith("Too slow: the stream needs 2.1 Mbit/s")


def test_a_stream_that_is_late_but_catches_up_is_fast_enough() -> None:
    finding = said(sampled(delay=3.1, stream_seconds=9.0), "download", "ok")
    assert "still catching up, 3.1 s behind" in finding.what


def test_of_too_little_no_rate_is_told() -> None:
    diagnosis = sampled(stream_seconds=0.1)
    topics = {one.topic for one in diagnosis.findings}
    assert not topics & {"download", "upload"}
    assert "bit/s" not in said(diagnosis, "stream", "ok").what
    assert diagnosis.verdict.startswith("Nothing limits you: cam comes in time;")


def test_upload_is_said_to_be_not_measured_with_what_one_child_takes() -> None:
    finding = said(diagnose(HEALTHY), "upload", "not measured")
    assert "takes 1.1 Mbit/s up" in finding.what
    assert "not measured: nobody was fed" in finding.meaning


def parents(**changes: object) -> Diagnosis:
    return sampled(parents=(PARENTS[0], replace(PARENTS[1], **changes)))  # type: ignore[arg-type]


def test_a_parent_that_is_late_is_a_warning_and_a_stripe_without_one_a_problem() -> None:
    assert "node n4 (2 hops" in said(parents(behind=0.5), "parents", "warning").what
    assert parents(node=None).verdict == "Stripe 1 has no parent: it still looks for one."
    vain = sampled(parents=(replace(PARENTS[0], node=None),), no_parent="n4: full")
    assert vain.verdict == "Stripe 0 has no parent: n4: full."
    assert "Nothing came" in said(parents(received=0), "parents", "problem").meaning


def test_a_busy_machine_says_so() -> None:
    assert "busy: 20% of the time" in said(sampled(held_up=0.2), "machine", "warning").what


# --- the way


@pytest.mark.parametrize(
    ("times", "level", "text"),
    [
        ((0.3, 0.31, 0.3), "warning", "It is far"),
        ((0.05, 0.3, 0.05, 0.4), "warning", "unsteady"),
        ((0.012,), "ok", ""),
    ],
)
def test_round_trips_far_and_unsteady(times: tuple[float, ...], level: Level, text: str) -> None:
    finding = said(of(round_trips=times), "round trip", level)
    assert text in finding.meaning
    assert f"({plural(len(times), 'probe')}" in finding.what


@pytest.mark.parametrize(("offset", "way"), [(3.2, "behind"), (-3.2, "ahead of")])
def test_a_wrong_clock_is_a_warning_that_the_stream_does_not_mind(offset: float, way: str) -> None:
    diagnosis = of(clock=Clock(offset=offset, uncertainty=0.006))
    finding = said(diagnosis, "clock", "warning")
    assert f"3.2 s {way} the server proxy's (± 6.0 ms)" in finding.what
    assert "does not mind" in finding.meaning
    assert diagnosis.exit_code == 0


# --- the verdict and the report


def test_the_first_problem_is_the_verdict_and_the_others_are_counted() -> None:
    diagnosis = sampled(lost=100, parents=(replace(PARENTS[0], node=None),), reached=())
    assert diagnosis.verdict.startswith("100 of 1,100 packets were lost")
    assert diagnosis.verdict.endswith("(and 1 more)")
    assert diagnosis.level == "problem"


def test_the_text_has_no_long_lines_but_the_verdict_which_is_one_line() -> None:
    diagnosis = sampled(reached=())
    *lines, blank, verdict, end = report.text(diagnosis).split("\n")
    assert max(map(len, lines)) <= report.WIDTH
    assert (blank, end) == ("", "")
    assert verdict == f"verdict: {diagnosis.verdict}"
    shown = " ".join(" ".join(lines).split())
    for finding in diagnosis.findings:
        assert f"{finding.level} {finding.topic} {finding.what}" in shown
        assert finding.meaning in shown
        assert not finding.advice or f"→ {finding.advice}" in shown


def test_the_json_has_findings_and_figures() -> None:
    diagnosis = diagnose(HEALTHY)
    whole = json.loads(report.json(diagnosis, HEALTHY))
    assert (whole["level"], whole["verdict"]) == ("ok", diagnosis.verdict)
    assert whole["findings"][0].keys() == {"level", "topic", "what", "meaning", "advice"}
    assert whole["measured"]["sample"]["tracks"][0]["codec"] == "H264"
    assert whole["measured"]["server"]["attempts"][0]["outcome"] == "connected"
