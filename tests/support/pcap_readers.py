"""Captures as programs read them that know nothing of us: tcpdump, and Wireshark's tshark."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

_PACKET = re.compile(
    r"([\d.]+) IP \(.*, id (\d+), .*\n"
    r" +([\d.]+)\.\d+ > ([\d.]+)\.(\d+): (.*)\n"
    r"((?:\t0x[0-9a-f]+: .*\n)+)"
)
_HEX = re.compile(r"\t0x[0-9a-f]+:((?: +[0-9a-f]{2,4})+)")
_HEADER_BYTES = 14 + 20 + 8
SAP_PORT = 9875


class Datagram(NamedTuple):
    """One packet of a capture; `text`: what tcpdump makes of it, taken for RTP."""

    at: float
    number: int
    sender: str
    receiver: str
    port: int
    text: str
    payload: bytes

    @property
    def seq(self) -> int:
        """Sequence number of RTP, as tcpdump reads it."""
        found = re.match(r"udp/rtp \d+ c\d+ \*? ?(\d+) ", self.text)
        assert found, self.text
        return int(found[1])


def read(*files: Path) -> list[Datagram]:
    """Return all packets of files, the oldest first, as tcpdump reads them."""
    found = []
    for file in files:
        command = ["tcpdump", "-r", "-", "-n", "-tt", "-vvv", "-xx", "-T", "rtp"]
        with file.open("rb") as open_file:
            done = subprocess.run(command, stdin=open_file, capture_output=True, check=True)
        text = done.stdout.decode()
        packets = _PACKET.findall(text)
        complete = "cksum" not in text and text.count(" IP (") == len(packets)
        assert complete, f"tcpdump complains of {file}"
        for at, number, sender, receiver, port, words, dump in packets:
            data = bytes.fromhex("".join("".join(_HEX.findall(dump)).split()))
            found.append(
                Datagram(
                    float(at), int(number), sender, receiver, int(port), words, data[_HEADER_BYTES:]
                )
            )
    return found


def tshark(file: Path, *fields: str) -> list[list[str]]:
    """Return these fields of each packet, as tshark reads them without any setting."""
    command = ["tshark", "-n", "-r", str(file), "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, check=True)
    return [line.split("\t") for line in done.stdout.decode().splitlines()]
