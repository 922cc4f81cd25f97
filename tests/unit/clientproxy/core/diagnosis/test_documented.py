"""The report that docs/operations.md shows is what is printed of these figures."""

import re
from pathlib import Path

from clientproxy.core.diagnosis import report
from clientproxy.core.diagnosis.diagnose import diagnose
from clientproxy.core.diagnosis.measured import (
    Attempt,
    Clock,
    Key,
    Measured,
    Parent,
    Port,
    Sample,
    Server,
)
from common.fields import Track

OPERATIONS = Path(__file__).parents[5] / "docs" / "operations.md"
PORTS: dict[Key, str] = {"listen": ":7855", "rtsp": "127.0.0.1:8554", "http": "127.0.0.1:9855"}
MEASURED = Measured(
    server=Server(
        address="10.77.1.1:7854",
        host="10.77.1.1",
        port=7854,
        attempts=[Attempt(host="10.77.1.1", family="IPv4", outcome="connected", seconds=0.0005)],
        answer="server proxy",
        channels=["cam"],
        local_host="10.77.1.2",
    ),
    ports=[
        Port(key=key, address=at, port=int(at.rpartition(":")[2]), state="free")
        for key, at in PORTS.items()
    ],
    clock=Clock(offset=-0.0008, uncertainty=0.0001),
    round_trips=[*[0.0002, 0.0003] * 12, 0.0029, *[0.0002] * 25],
    sample=Sample(
        channel="cam",
        offered=True,
        source_up=True,
        tested_port=7855,
        tracks=[
            Track(0, "video", "H264", 90_000, 96),
            Track(1, "audio", "MPEG4-GENERIC", 48_000, 97),
        ],
        stripes=2,
        first_packet=0.203,
        seconds=5.0,
        stream_seconds=5.0,
        bytes=1_375_000,
        packets=1315,
        fastest=825_000.0,
        delay=0.017,
        parents=[
            Parent(stripe=0, node="n1-ivxd", hops=2, rtt=0.0006, behind=0.0004, received=804),
            Parent(stripe=1, node="n1-ivxd", hops=2, rtt=0.0007, behind=0.0006, received=805),
        ],
    ),
)


def test_the_report_in_the_documentation_is_what_is_printed() -> None:
    (shown,) = re.findall(
        r"^```\n\$ clientproxy doctor \S+\n(.*?)^```",
        OPERATIONS.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert shown == report.text(diagnose(MEASURED))
