"""Messages that are far too large, from a real mosquitto and from a slow broker: passed over, without a reconnect."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.faults.account import note
from tests.faults.mosquitto import MOSQUITTO
from tests.faults.waiting import run, sleep, until
from twisted_detector.outputs.topics import Topics

FIVE_MIB = 5 * 1024 * 1024
#: A mosquitto from 2.1 on takes no more than 2 MB unless it is told to.
TAKES_ALL = "allow_anonymous true\nmax_packet_size 268435455"
TOPICS = Topics(prefix="", node_id="node1")
#: What the daemon subscribes, and a topic that matches.
FILTERS = {
    "homeassistant/device/+/config": "homeassistant/device/evil/config",
    "homeassistant/+/+/+/config": "homeassistant/sensor/evil/x/config",
    "homeassistant/status": "homeassistant/status",
    TOPICS.lwt: TOPICS.lwt,
    TOPICS.command: TOPICS.command,
    Topics(prefix="", node_id="other").lwt: Topics(prefix="", node_id="other").lwt,
}


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_retained(broker: Any, station: Any, tmp_path: Path, protocol: str, qos: int) -> None:
    """With 5 MiB retained on each subscribed topic there is one connection, and all else arrives, both ways."""
    mosquitto = broker(lines=TAKES_ALL)
    await mosquitto.start()
    large = tmp_path / "large"
    large.write_bytes(bytes(FIVE_MIB))
    for topic in FILTERS.values():
        run("mosquitto_pub", "-p", mosquitto.port, "-t", topic, "-q", qos, "-r", "-f", large)
    one = station(mosquitto.port, protocol=protocol, lwt_topic=TOPICS.lwt)
    heard: list[tuple[str, bytes]] = []
    for topic_filter in FILTERS:
        one.service.subscribe(topic_filter, lambda topic, payload: heard.append((topic, payload)))
    await one.start()
    await one.connects()
    metrics = one.service.client.metrics
    # An MQTT 5 broker keeps to our MaximumPacketSize and sends none of them. Our will's topic has our birth by then.
    expected = 0 if protocol == "5" else len(FILTERS) - 1
    one.say(300)
    await one.settled()
    await until(lambda: metrics.too_large >= expected, 20, lambda: metrics)
    run("mosquitto_pub", "-p", mosquitto.port, "-t", TOPICS.command, "-q", qos, "-m", "small")
    await until(lambda: (TOPICS.command, b"small") in heard)
    if protocol == "3.1.1":
        run("mosquitto_pub", "-p", mosquitto.port, "-t", TOPICS.command, "-q", qos, "-f", large)
        await until(lambda: metrics.too_large > expected, 20, lambda: metrics)
    await sleep(1.0)
    assert (metrics.connects, metrics.disconnects, metrics.failures) == (1, 0, 0)
    assert all(len(payload) < 1000 for _, payload in heard)
    one.balance(f"5 MiB retained on each topic (MQTT {protocol}, QoS {qos})", mosquitto.arrivals(),
                remark="one connection")  # fmt: skip


@pytest.mark.long
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("length", [FIVE_MIB, 268_435_455])
async def test_dawdling_broker(fake: Any, station: Any, length: int) -> None:
    """A message of 5 MiB that takes 13 s, more than two keepalives, without an acknowledgement meanwhile: waited for.

    So is the beginning of one of 256 MB, as long as octets of it come.
    """
    broker = fake(large=length, large_octets=min(length, FIVE_MIB), large_seconds=13.0)
    one = await station(broker.port, keepalive=5).start()
    await one.connects()
    one.say(30)
    await until(lambda: broker.sessions and all(session.dawdling for session in broker.sessions))
    began = time.monotonic()
    one.say(30)
    await sleep(12.5)
    metrics = one.service.client.metrics
    assert (metrics.connects, metrics.disconnects) == (1, 0), metrics.last_disconnect_reason
    if length > FIVE_MIB:
        await until(lambda: metrics.disconnects, 7)
        assert "silent" in metrics.last_disconnect_reason
        broker.script.large = 0
        await one.connects()
    await one.settled()
    assert metrics.disconnects == (length > FIVE_MIB)
    assert metrics.too_large == (length == FIVE_MIB)
    note(f"a message of {length} bytes that dawdles", remark=f"waited for, {time.monotonic() - began:.0f} s")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_overlapping_filters(broker: Any, station: Any, protocol: str) -> None:
    """Each handler gets each message once, though its filter overlaps others: a broker may send a copy for each.

    mosquitto 2.1 always does; 2.0 when it is told to, with a setting that 2.1 does not know any more.
    """
    told = "\nallow_duplicate_messages true" if "version 2.0" in run(MOSQUITTO, "-h", check=False) else ""
    mosquitto = broker(lines=f"allow_anonymous true{told}")
    await mosquitto.start()
    one = station(mosquitto.port, protocol=protocol)
    run("mosquitto_pub", "-p", mosquitto.port, "-t", "in/kept", "-q", 1, "-r", "-m", "kept")
    heard: dict[str, list[bytes]] = {name: [] for name in ("in/+", "in/x", "in/#", "in/late")}
    for name in ("in/+", "in/x", "in/#"):
        one.service.subscribe(name, lambda _topic, payload, name=name: heard[name].append(payload))
    await one.start()
    await one.connects()
    await until(lambda: b"kept" in heard["in/#"])
    for number in range(10):
        run("mosquitto_pub", "-p", mosquitto.port, "-t", "in/x", "-q", 1, "-m", number)
    await until(lambda: len(heard["in/x"]) >= 10)
    await sleep(0.3)
    numbers = [b"%d" % number for number in range(10)]
    assert heard["in/x"] == numbers
    assert heard["in/+"] == heard["in/#"] == [b"kept", *numbers]
    # One that is covered and comes later still gets what is retained.
    one.service.subscribe("in/kept", lambda _topic, payload: heard["in/late"].append(payload))
    await until(lambda: heard["in/late"] == [b"kept"])
    run("mosquitto_pub", "-p", mosquitto.port, "-t", "in/kept", "-q", 1, "-m", "live")
    await until(lambda: heard["in/late"] == [b"kept", b"live"])


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_retained_flag(broker: Any, station: Any, protocol: str) -> None:
    """What was retained before the subscription goes to its own handler, with every connection; what comes does not."""
    mosquitto = broker()
    await mosquitto.start()
    run("mosquitto_pub", "-p", mosquitto.port, "-t", "in/command", "-q", 1, "-r", "-m", "old")
    heard: list[tuple[str, bytes]] = []
    for name in ("first", "second"):
        one = station(mosquitto.port, protocol=protocol, client_id=name)
        one.service.subscribe(
            "in/command",
            lambda _topic, payload: heard.append(("obeyed", payload)),
            retained=lambda _topic, payload: heard.append(("retained", payload)),
        )
        await one.start()
        await one.connects()
        await until(lambda: heard == [("retained", b"old")])
        await one.stop()
        heard.clear()
    one = station(mosquitto.port, protocol=protocol, client_id="third")
    one.service.subscribe("in/command", lambda _topic, payload: heard.append(("obeyed", payload)))
    await one.start()
    await until(lambda: heard == [("obeyed", b"old")])
    run("mosquitto_pub", "-p", mosquitto.port, "-t", "in/command", "-q", 1, "-r", "-m", "new")
    await until(lambda: heard[1:] == [("obeyed", b"new")])
