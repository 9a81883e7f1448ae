"""Fuzzing of all manufacturers' protocols without atheris: 10^6 inputs of each in minutes, and what a datagram costs.

    python -m tests.fuzz.vendors --runs 1000000              all that are in the catalog
    python -m tests.fuzz.vendors --runs 1000000 sadp dhip    some
    python -m tests.fuzz.vendors --runs 1000000 --write      the table goes into docs/benchmarks.md

Inputs are noise, simulated answers and searches that were changed, cut, or grown to more than a datagram of Ethernet.
The same protocol and number of runs are the same inputs.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from itertools import islice
from random import Random
from timeit import Timer

from tests.fuzz.__main__ import LIMIT, write
from twisted_detector.errors import Malformed, RemoteError
from twisted_detector.model import Mac
from twisted_detector.model.announced import DeviceKind
from twisted_detector.testing.simulator.vendors.catalog import DEVICES
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.wire.vendors.catalog import PROTOCOLS
from twisted_detector.wire.vendors.protocol import Answer, VendorProtocol

TITLE = "## Manufacturers' protocols under fuzz"
#: Characters of the longest text that an answer may have, of the largest number of channels: more would be somebody's
#: way to fill topics and pages.
MAX_TEXT, MAX_CHANNELS = 256, 4_096
#: Octets of the largest input.
MAX_INPUT = 9_000
#: What lengths, numbers, texts and documents stumble over.
_ODD = (
    b"\0", b"\xff", b"\0\0", b"\xff\xff", b"\xff" * 6, bytes(6), b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xc3",
    b"\xed\xa0\x80", b"<", b">", b"</", b"&#0;", b"&", b'"', b"'", b"{", b"}", b"[", b"]", b":", b",", b"\\u0000",
    b"\\ud800", b"1e999", b"-1", b"NaN", b"null", b"true", b"[]", b"{}", b"0.0.0.0", b"255.255.255.255",
    b"00:00:00:00:00:00", b"\r\n", b"=", b"\x1b[2J", b"99999999999999999999", "\u2028\u202e".encode(),
    "\u0663".encode(), b"&#xD800;", b"&#x0DFFF;", b"&#99999999999;", b"9" * 4_301,
)  # fmt: skip
FACTS = DeviceFacts(
    "10.0.0.5",
    Mac("00:0b:5d:a1:b2:c3"),
    "Maker",
    "IPC-4K <b>",
    "DS2CD2143G0-I20200101AAWRE12345678",
    "5.6.0.12",
    "Gate \u00e4 'yard'",
    "00075fa1-b2c3-4d5e-8f90-0123456789ab",
    channels=8,
    https_port=443,
)


def searches(protocol: VendorProtocol) -> list[bytes]:
    """What is sent to look for its devices."""
    return [query.data for query in protocol.queries(lambda count: bytes(range(0x31, 0x31 + count)), "10.0.0.9")]


def answers(protocol: VendorProtocol) -> list[bytes]:
    """What simulated devices say: of the first generation and later, cameras and recorders, set up and not."""
    device = DEVICES[protocol.name]()
    own = replace(FACTS, uid="VSTC-012345-ABCDE") if protocol.name == "pppp" else FACTS
    found: dict[bytes, None] = {}
    for facts in (
        own,
        replace(own, first_generation=True),
        replace(own, kind=DeviceKind.RECORDER, activated=False, password_set=False, managed=True, https_port=0),
    ):
        said = [device.answer(Request(data, port), facts) for data in searches(protocol) for port in device.ports]
        found |= dict.fromkeys(data for data in (*said, device.announcement(facts)) if data is not None)
    return list(found)


def drive(protocol: VendorProtocol, data: bytes) -> Answer | None:
    """As the driver reads a datagram; what is read must be fit for topics and pages.

    :raises RemoteError: it was refused, as it may be.
    """
    protocol.recognises(data)
    try:
        found = protocol.parse(data)
    except Malformed:
        raise RemoteError("refused") from None
    if found is not None:
        for said in (found, found.announced):
            for value in (getattr(said, one.name) for one in fields(said)):
                if isinstance(value, str) and not (len(value) <= MAX_TEXT and value.isprintable()):
                    raise AssertionError(f"a text for nobody's eyes: {value!r}")
        ports = (found.http_port, found.https_port, found.rtsp_port)
        if not (min(ports) >= 0 and max(ports) <= 65_535 and 0 <= found.announced.channels <= MAX_CHANNELS):
            raise AssertionError(f"absurd numbers: {found}")
        if found.mac is not None and Mac.parse(found.mac.text) != found.mac:
            raise AssertionError(f"a MAC of nobody: {found.mac}")
        hash(found)
    return found


def inputs(seeds: list[bytes], chance: Random) -> Iterator[bytes]:
    """Noise, and seeds that were changed, cut or grown, without end."""
    while True:
        seed = chance.choice(seeds)
        match chance.randrange(8):
            case 0:
                yield chance.randbytes(chance.randrange(chance.choice((8, 64, 600))))
            case 1:  # a head that is right, and noise
                yield seed[: chance.randrange(len(seed) + 1)] + chance.randbytes(chance.randrange(64))
            case 2:
                yield seed[: chance.randrange(len(seed) + 1)]
            case 3:
                begin = chance.randrange(len(seed))
                piece = seed[begin : begin + chance.randrange(1, 64)] or b"\0"
                times = chance.randrange(1, MAX_INPUT // len(piece)) if chance.random() < 0.1 else chance.randrange(9)
                yield (seed[:begin] + piece * times + seed[begin:])[:MAX_INPUT]
            case _:
                data = bytearray(seed)
                for _ in range(chance.randrange(1, 7)):
                    at = chance.randrange(len(data) + 1)
                    piece = chance.choice(_ODD) if chance.random() < 0.5 else chance.randbytes(chance.randrange(4))
                    data[at : at + chance.choice((0, len(piece), chance.randrange(9)))] = piece
                yield bytes(data)


@dataclass(frozen=True)
class Result:
    """What came of the inputs of one protocol.

    :ivar surprise: an input that was neither read nor refused, and what it did; "" when there was none.
    :ivar recognise: nanoseconds that it takes to recognise a datagram that it reads, ``stranger``: another's.
    :ivar read_time: nanoseconds that it takes to read one.
    """

    name: str
    inputs: int
    read: int
    refused: int
    slowest: float
    recognise: int
    stranger: int
    read_time: int
    surprise: str = ""


def fuzz(protocol: VendorProtocol, runs: int) -> Result:
    """Drive one protocol with that many inputs; ends at the first surprise."""
    said = answers(protocol)
    driven = read = refused = 0
    slowest, surprise = 0.0, ""
    clock, thread_clock = time.perf_counter, time.thread_time
    source = inputs([*said * 3, *searches(protocol)], Random(protocol.name))

    def once(data: bytes) -> float:
        before = thread_clock()
        with suppress(RemoteError):
            drive(protocol, data)
        return thread_clock() - before

    for data in islice(source, runs):
        driven += 1
        before = clock()
        try:
            read += drive(protocol, data) is not None
        except RemoteError:
            refused += 1
        except Exception as problem:  # whatever it is, it is what is looked for
            surprise = f"{problem!r} of {data!r}"
            break
        took = clock() - before
        if took > slowest:
            slowest = max(slowest, min(took, *(once(data) for _ in range(3))))
    others = [
        one for other in PROTOCOLS if type(other).__module__ != type(protocol).__module__ for one in searches(other)
    ]
    return Result(
        protocol.name,
        driven,
        read,
        refused,
        slowest,
        recognise=nanoseconds(protocol.recognises, said),
        stranger=nanoseconds(protocol.recognises, others),
        read_time=nanoseconds(protocol.parse, said),
        surprise=surprise,
    )


def nanoseconds(call: Callable[[bytes], object], datagrams: list[bytes]) -> int:
    """Of one call, on average over the datagrams; the least of five times, for the machine has other work."""

    def all_of_them() -> None:
        for data in datagrams:
            call(data)

    rounds = 1 + 2_000 // len(datagrams)
    return round(min(Timer(all_of_them, timer=time.thread_time).repeat(5, rounds)) / rounds / len(datagrams) * 1e9)


def table(results: list[Result]) -> str:
    """The section of docs/benchmarks.md."""
    lines = [
        TITLE,
        "",
        "`make fuzz-vendors` (one: `python -m tests.fuzz.vendors --runs 1000000 NAME`): noise, and the simulator's"
        " answers and our searches, changed, cut and grown. *Read*: inputs of which something was learned; the others"
        " were refused, or are searches. *Surprises*: inputs that were neither read nor refused, and texts, ports or"
        f" numbers that no topic may have. *Slowest*: of all these inputs, up to {MAX_INPUT} octets. *ns*: to recognise"
        " a datagram of its own, to pass over one of another protocol, to read an answer.",
        "",
        f"Measured on {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, other"
        " work beside it.",
        "",
        "| protocol | inputs | read | refused | surprises | slowest, ms | ns: recognise | pass over | read |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.inputs:,} | {one.read:,} | {one.refused:,} | {'**1**' if one.surprise else '0'}"
        f" | {one.slowest * 1000:.2f} | {one.recognise:,} | {one.stranger:,} | {one.read_time:,} |".replace(",", " ")
        for one in results
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.vendors", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("protocols", nargs="*", metavar="PROTOCOL")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    results = []
    for protocol in PROTOCOLS:
        if not arguments.protocols or protocol.name in arguments.protocols:
            results.append(fuzz(protocol, arguments.runs))
            print(results[-1], flush=True)
    section = table(results)
    print(section)
    if arguments.write:
        write(section, TITLE)
    return 1 if any(one.surprise or one.slowest > LIMIT for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
