"""Wrong names, wrong arguments and handlers that raise: an error at the call or a reason, and the connection stands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.faults.account import note
from tests.faults.station import Station
from tests.faults.waiting import run, sleep, until
from twisted_detector.errors import LocalError, QueueFull, Stopped
from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.network.resolver import Resolver
from twisted_detector.mqtt.seams import ConnectionState


@pytest.mark.alone  # a stop within a second
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    "host", ["no-such-name.invalid", "a" * 70 + ".invalid", ".", "-", "a..b", "\udce4", "ü" * 80, "999.1.1.1"]
)
async def test_bad_host_names(station: Any, host: str) -> None:
    """A host name that is none, or unknown, is a refused attempt with a reason, again and again; a stop is quick."""
    one = await station(1883, host=host).start()
    one.say(10)
    await until(lambda: one.service.client.metrics.failures >= 1, 12)
    assert one.service.state in (ConnectionState.RECONNECTING, ConnectionState.CONNECTING)
    assert one.service.client.reason
    began = time.monotonic()
    await one.stop()
    assert time.monotonic() - began < 1
    one.check_pairs()


@pytest_twisted.ensureDeferred
async def test_name_server_hangs(broker: Any, station: Any) -> None:
    """A resolver that hangs in the C library costs attempts; the reactor comes round, and the last address is used."""
    mosquitto = broker()
    await mosquitto.start()
    hanging, release = [True], [False]

    def lookup(host: str, port: int) -> Any:
        while hanging[0] and not release[0]:
            time.sleep(0.02)
        return ((2, ("127.0.0.1", port)),)

    one = station(mosquitto.port, host="broker.example")
    one.service.client._runner._resolver = Resolver(reactor, timeout=1.0, lookup=lookup)
    await one.start()
    one.say(300)
    await until(lambda: one.service.client.metrics.failures >= 1, 4)
    assert one.service.client.reason == "the name 'broker.example' was not resolved within 1 s"
    hanging[0] = False
    await one.connects()
    await one.settled()
    hanging[0] = True
    mosquitto.kill()
    one.say(100)
    back = await mosquitto.start()
    await one.settled()
    release[0] = True
    one.balance("name server hangs", mosquitto.arrivals(), back=one.first_acknowledgement(back))
    assert one.meter.worst < 1


@pytest_twisted.ensureDeferred
async def test_handlers_that_raise(broker: Any, station: Any) -> None:
    """Handlers, listeners and callbacks that raise are counted and logged; the connection and others go on."""
    mosquitto = broker()
    await mosquitto.start()
    one = station(mosquitto.port)
    heard: list[bytes] = []

    def broken(_topic: str, _payload: bytes) -> None:
        raise ValueError("a handler's fault")

    async def broken_later(_topic: str, _payload: bytes) -> None:
        await sleep(0.01)
        raise ValueError("a handler's fault, later")

    def refuses(_change: object) -> None:
        raise ValueError("a listener's fault")

    one.service.add_state_listener(refuses)
    # The same filter: of those that overlap a broker may send a copy each (MQTT 3.1.1, 3.3.5), and mosquitto 2.1 does.
    one.service.subscribe("in/+", broken)
    one.service.subscribe("in/+", broken_later)
    one.service.subscribe("in/+", lambda _topic, payload: heard.append(payload))
    await one.start()
    await one.connects()
    await sleep(0.1)
    for number in range(10):
        run("mosquitto_pub", "-p", mosquitto.port, "-t", "in/x", "-q", 1, "-m", number)
    raising: Deferred[None] = one.service.publish(Message("f/faults/other/1", b"x"))
    raising.addCallback(lambda _: 1 / 0)
    raising.addErrback(lambda failure: failure.trap(ZeroDivisionError) and None)
    one.say(1000)
    await one.settled()
    await until(lambda: one.service.client.metrics.handler_failures == 20)
    assert heard == [b"%d" % number for number in range(10)]
    assert sum(change.event == "connected" for _, change in one.changes) == 1
    one.balance(
        "handlers, listeners and callbacks raise", [t for t in mosquitto.arrivals() if "/other/" not in t],
        remark="20 failures counted, one connection",
    )  # fmt: skip


@pytest_twisted.ensureDeferred
async def test_bad_input(broker: Any, station: Any) -> None:
    """Wrong topics, payloads and QoS are errors at the call; nothing is sent for them, nothing else is lost."""
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port).start()
    await one.connects()
    one.say(100)
    wrong: list[dict[str, Any]] = [
        {"topic": ""}, {"topic": "a/#"}, {"topic": "a/+/b"}, {"topic": "a\0b"}, {"topic": "x" * 65_536},
        {"topic": "\ud800"}, {"payload": "text"}, {"payload": None}, {"qos": 2}, {"qos": -1},
        {"payload": bytes(268_435_456)},
    ]  # fmt: skip
    for each in wrong:
        with pytest.raises(LocalError):
            one.service.publish(Message(**{"topic": "f/faults/bad/1", "payload": b"", **each}))
    for topic_filter in ("", "a/#/b", "a+/b", "\0"):
        with pytest.raises(LocalError):
            one.service.subscribe(topic_filter, lambda _topic, _payload: None)
    one.say(100)
    await one.settled()
    one.balance("wrong input at the call", mosquitto.arrivals(), remark=f"{len(wrong) + 4} refused at the call")
    assert not [topic for topic in mosquitto.arrivals() if "/bad/" in topic]
    assert sum(change.event == "connected" for _, change in one.changes) == 1


@pytest_twisted.ensureDeferred
async def test_more_than_the_broker_takes(broker: Any, station: Any) -> None:
    """A message above the broker's limit is refused by its Deferred with MQTT 5; those around it arrive."""
    mosquitto = broker(lines="allow_anonymous true\nmax_packet_size 2000")
    await mosquitto.start()
    one = await station(mosquitto.port, protocol="5").start()
    await one.connects()
    one.say(50)
    large = one.service.publish(Message("f/faults/large/1", bytes(5000)))
    refusal: list[Any] = []
    large.addErrback(refusal.append)
    one.say(50)
    await one.settled()
    assert len(refusal) == 1
    one.balance(
        "payload above the broker's limit (MQTT 5)", mosquitto.arrivals(), remark=f"“{refusal[0].getErrorMessage()}”"
    )
    assert sum(change.event == "connected" for _, change in one.changes) == 1


@pytest_twisted.ensureDeferred
async def test_poisonous_message(broker: Any, station: Any) -> None:
    """A message for which the broker ends the connection (3.1.1 has no other answer) does not hold up the others."""
    mosquitto = broker(lines="allow_anonymous true\nmax_packet_size 2000")
    await mosquitto.start()
    one = await station(mosquitto.port).start()
    await one.connects()
    one.say(50)
    ends: list[Any] = []
    one.service.publish(Message("f/faults/large/1", bytes(5000))).addBoth(ends.append)
    one.say(50)
    began = time.monotonic()
    # The reset may take acknowledgements with it: how many connections it takes is not the same each time.
    await until(lambda: len(one.acknowledged_at) == 100, 60, one.service.document)
    took = time.monotonic() - began
    connections = one.service.client.metrics.connects
    assert connections <= 12
    document = one.service.document()
    assert (document["held"], document["queue_depth"]["event"], document["dropped"]) == (1, 1, {})
    # It is tried again, alone, and what comes meanwhile arrives.
    for _ in range(150):
        one.say(1)
        await sleep(0.1)
        if one.service.client.metrics.connects > connections:
            break
    assert one.service.client.metrics.connects == connections + 1
    one.say(50)
    said = len(one.ledger.accepted)
    await until(lambda: len(one.acknowledged_at) == said, 10, one.service.document)
    assert not ends
    one.balance(
        "payload above the broker's limit (3.1.1)", mosquitto.arrivals(),
        remark=f"held back after {connections - 1} connections; the others were through in {took:.1f} s",
    )  # fmt: skip


@pytest_twisted.ensureDeferred
async def test_after_stop(broker: Any, tmp_path: Path) -> None:
    """What is published after a stop raises Stopped; what was accepted before is sent by the next life."""
    mosquitto = broker()
    one = await Station(tmp_path / "state", mosquitto.port).start()
    one.say(500)
    await one.stop()
    with pytest.raises(Stopped):
        one.service.publish(Message("f/faults/x/1000", b""))
    await mosquitto.start()
    two = await Station(tmp_path / "state", mosquitto.port).start()
    two.ledger = one.ledger
    await two.settled()
    two.balance("stopped while the broker was away, started again", mosquitto.arrivals())
    await two.stop()


@pytest_twisted.ensureDeferred
async def test_full_queue(broker: Any, tmp_path: Path) -> None:
    """A full outbox drops telemetry, then old events, counts them, and refuses a critical message at the call."""
    mosquitto = broker()
    one = Station(tmp_path / "state", mosquitto.port)
    one.service.outbox._queue._limits = type(one.service.outbox._queue._limits)(messages=100)
    await one.start()
    for number in range(100):
        one.service.publish(Message(f"t/{number}", b"", priority=Priority.TELEMETRY)).addErrback(lambda _: None)
    one.say(100, priority=Priority.CRITICAL)
    with pytest.raises(QueueFull):
        one.service.publish(Message("f/faults/critical/1", b"", priority=Priority.CRITICAL))
    await mosquitto.start()
    await one.settled()
    dropped = one.service.document()["dropped"]
    assert dropped == {"overflow": 100, "no_room": 1}
    one.balance("outbox full (100)", mosquitto.arrivals(), remark="100 telemetry dropped and counted; critical refused")
    await one.stop()


def test_nothing_is_left_over() -> None:
    """The tests of this folder left no timer of theirs behind."""
    calls = [call for call in reactor.getDelayedCalls() if "twisted_detector" in str(call)]
    assert not calls
    note("timers left behind by all of this", remark="none")
