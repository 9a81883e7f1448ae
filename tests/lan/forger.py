"""A host that lies goes in as arguments; forged WS-Discovery and rubbish come out on its network.

    forger.py hello XADDR REFERENCE       one Hello, three times
    forger.py flood SECONDS RATE ADDRESS… Hellos, each of another device, from these addresses of this host in turn
    forger.py burst ADDRESS…              one Hello from each of these addresses, of another device each, all at once
    forger.py rubbish COUNT TARGET        datagrams of no protocol, and of some cut short, to the ports of discovery

Says ``done N`` with what it sent.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import time
import uuid

from twisted_detector.testing.simulator.wire.wsdiscovery import hello, probe_match
from twisted_detector.wire.lan.wsdiscovery import GROUP_IPV4, PORT, Match

CAMERA = (
    "{http://www.onvif.org/ver10/network/wsdl}NetworkVideoTransmitter",
    "{http://www.onvif.org/ver10/device/wsdl}Device",
)
GROUPS = ((GROUP_IPV4, PORT), ("224.0.0.251", 5353), ("239.255.255.250", 1900))


def opened(address: str = "") -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if address:
        sender.bind((address, 0))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    return sender


def forged(reference: str, xaddr: str) -> Match:
    return Match(endpoint_reference=reference, types=CAMERA, xaddrs=(xaddr,), metadata_version=1)


def say_hello(xaddr: str, reference: str) -> int:
    with opened() as sender:
        for _ in range(3):
            message_id = uuid.uuid4().urn
            sender.sendto(hello(forged(reference, xaddr), message_id=message_id), (GROUP_IPV4, PORT))
            answer = probe_match((forged(reference, xaddr),), message_id=message_id, relates_to=uuid.uuid4().urn)
            sender.sendto(answer, (GROUP_IPV4, PORT))
            time.sleep(0.2)
    return 6


def flood(seconds: float, rate: float, addresses: list[str]) -> int:
    senders = [opened(address) for address in addresses]
    mark = str(uuid.UUID(int=0))
    template = hello(forged(f"urn:uuid:{mark}", "http://10.77.0.250:8000/onvif"), message_id=f"urn:uuid:{mark}")
    before, between, after = template.split(mark.encode())
    sent, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        for _ in range(min(500, max(1, int(passed * rate) - sent))):
            fresh = os.urandom(16).hex().encode()
            name = b"%b-%b-4%b-8%b-%b" % (fresh[:8], fresh[8:12], fresh[13:16], fresh[17:20], fresh[20:])
            senders[sent % len(senders)].sendto(before + name + between + name + after, (GROUP_IPV4, PORT))
            sent += 1
        if sent >= passed * rate:
            time.sleep(0.001)
    return sent


def burst(addresses: list[str]) -> int:
    senders = [(opened(address), forged(uuid.uuid4().urn, f"http://{address}/onvif")) for address in addresses]
    said = [hello(one, message_id=uuid.uuid4().urn) for _, one in senders]
    for (sender, _), data in zip(senders, said, strict=True):
        sender.sendto(data, (GROUP_IPV4, PORT))
    return len(said)


def rubbish(count: int, target: str) -> int:
    chance = random.Random(7)
    whole = hello(forged("urn:uuid:1", "http://10.77.0.250/"), message_id="urn:uuid:2")
    with opened() as sender:
        for number in range(count):
            kind = number % 4
            if kind == 0:
                data = chance.randbytes(chance.randrange(1, 1400))
            elif kind == 1:
                data = whole[: chance.randrange(1, len(whole))]
            elif kind == 2:
                data = bytes(byte if chance.random() > 0.02 else chance.randrange(256) for byte in whole)
            else:
                data = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "' + b"c" * 900 + b'">]><a>&b;&b;</a>'
            group, port = GROUPS[number % len(GROUPS)]
            sender.sendto(data, (group if number % 2 else target, port))
            time.sleep(0.0005)
    return count


def main(what: str, *rest: str) -> None:
    if what == "hello":
        sent = say_hello(rest[0], rest[1])
    elif what == "flood":
        sent = flood(float(rest[0]), float(rest[1]), list(rest[2:]))
    elif what == "burst":
        sent = burst(list(rest))
    else:
        sent = rubbish(int(rest[0]), rest[1])
    print(f"done {sent}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
