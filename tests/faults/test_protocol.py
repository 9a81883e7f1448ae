"""A broker that does not keep to the protocol: a plain reason, another attempt, nothing lost."""

from __future__ import annotations

import time
from typing import Any

import pytest
import pytest_twisted

from tests.faults.account import note
from tests.faults.fake_broker import FakeBroker
from tests.faults.station import Station
from tests.faults.waiting import sleep, until
from twisted_detector.mqtt.seams import ConnectionState


def arrivals(broker: FakeBroker) -> list[str]:
    return [topic for topic, _, _ in broker.record.published if topic.startswith("f/")]


async def cured(one: Station, broker: FakeBroker, fault: str, **figures: Any) -> None:
    back = time.monotonic()
    await one.connects()
    await one.settled()
    one.balance(fault, arrivals(broker), back=one.first_acknowledgement(back), **figures)
    one.check_pairs()


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_no_connack(fake: Any, station: Any) -> None:
    """A broker that accepts TCP and never answers CONNECT is left after 5 s; when it answers, all is sent."""
    broker = fake(connack=None)
    one = await station(broker.port).start()
    one.say(200)
    began = time.monotonic()
    await until(lambda: one.service.client.metrics.failures, 7)
    noticed = time.monotonic() - began
    assert one.service.client.reason == "the broker did not answer CONNECT within 5 s"
    assert noticed < 5.5
    broker.script.connack = 0.0
    await cured(one, broker, "no CONNACK", noticed=noticed)


@pytest_twisted.ensureDeferred
async def test_late_connack(fake: Any, station: Any) -> None:
    """A CONNACK that comes after 1 s is waited for, and nothing is published before it."""
    broker = fake(connack=1.0)
    one = await station(broker.port).start()
    one.say(200)
    await sleep(0.8)
    assert not broker.record.published
    await cured(one, broker, "CONNACK after 1 s", remark=f"{len(broker.record.connects)} connection")
    assert len(broker.record.connects) == 1


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_no_puback(fake: Any, station: Any) -> None:
    """A broker that answers pings but acknowledges no message is left within 5 s, and gets all again."""
    broker = fake(acknowledge=False)
    one = await station(broker.port).start()
    await one.connects()
    one.say(200)
    fault = time.monotonic()
    await until(lambda: not one.connected, 7)
    noticed = one.since(fault, "disconnected")
    assert noticed <= 5
    assert "acknowledge" in one.service.client.metrics.last_disconnect_reason
    broker.script.acknowledge = True
    await cured(one, broker, "no PUBACK", noticed=noticed)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("code", "reason", "state"),
    [
        pytest.param(
            1, "the broker does not speak this version of MQTT", ConnectionState.FAILED, marks=pytest.mark.long
        ),
        pytest.param(2, "the broker does not accept the client id", ConnectionState.FAILED, marks=pytest.mark.long),
        (3, "the broker refused the connection: server unavailable", ConnectionState.RECONNECTING),
        pytest.param(4, "wrong user name or password", ConnectionState.FAILED, marks=pytest.mark.long),
        (5, "the broker does not authorize this client", ConnectionState.FAILED),
    ],
)
async def test_refusals(fake: Any, station: Any, code: int, reason: str, state: ConnectionState) -> None:
    """Each refusal has its plain reason; what waiting does not cure is FAILED and tried again slowly."""
    broker = fake(code=code)
    one = await station(broker.port, slow_retry=1.0).start()
    one.say(100)
    await until(lambda: one.service.client.metrics.failures)
    assert one.service.client.reason == reason
    assert one.service.state is state
    announced = [change for _, change in one.changes if change.event == "failed"]
    assert len(announced) == (state is ConnectionState.FAILED)
    broker.script.code = 0
    await cured(one, broker, f"CONNACK with code {code}, then cured", remark=f"“{reason}”")


@pytest.mark.long
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("what", "script"),
    [("CONNACK", {"connack": 7.0}), ("PUBACK", {"acknowledge_after": 6.0})],
)
async def test_slow_whenever_it_is_asked(fake: Any, station: Any, what: str, script: dict[str, float]) -> None:
    """A broker that needs longer for each answer than one that is dead is given is let have it, after two attempts."""
    broker = fake(**script)
    one = await station(broker.port).start()
    one.say(50)
    await one.connects(40)
    await one.settled(60)
    connects = len(broker.record.connects)
    one.say(50)
    await one.settled(60)
    assert len(broker.record.connects) == connects <= 4
    one.balance(f"{what} takes {max(script.values()):g} s, always", arrivals(broker), remark=f"{connects} attempts")
    one.check_pairs()


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_refused_at_the_first_start(fake: Any, station: Any) -> None:
    """A machine that starts with its broker is refused at first: FAILED is told at once, and it is let in soon."""
    broker = fake(code=5)
    one = await station(broker.port, username="joe").start()
    one.say(50)
    await until(lambda: one.service.client.metrics.failures >= 2, 20)
    assert one.service.state is ConnectionState.FAILED
    assert one.service.client.advice == "check MQTT_USERNAME and MQTT_PASSWORD"
    broker.script.code = 0
    back = time.monotonic()
    await one.connects(15)
    remark = f"in after {time.monotonic() - back:.1f} s"
    await one.settled()
    one.balance("a login that is refused while both start", arrivals(broker), remark=remark)
    one.check_pairs()


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_closes_for_what_a_connection_begins_with(fake: Any, station: Any) -> None:
    """The birth message, or a filter, for which the broker closes the connection is left out, told, and taken later."""
    broker = fake(closes_for=("f/lwt", "in/closed"))
    one = station(broker.port, lwt_topic="f/lwt")
    for each in ("in/closed", "in/open"):
        one.service.subscribe(each, lambda topic, payload: None)
    await one.start()
    one.say(200)
    await until(lambda: len(arrivals(broker)) >= 200, 60, lambda: one.service.client.reason)
    await until(lambda: one.connected and "subscribe to in/closed" in one.service.client.warning, 30)
    assert "publish on f/lwt" in one.service.client.warning
    broker.script.closes_for = ()
    await until(lambda: "left out" not in one.service.client.warning, 60)
    assert "f/lwt" in [topic for topic, _, _ in broker.record.published]
    remark = f"{len(broker.record.connects)} connections"
    await one.settled()
    one.balance("closed for a SUBSCRIBE and for the birth", arrivals(broker), remark=remark)
    one.check_pairs()


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_flapping(fake: Any, station: Any) -> None:
    """A broker that accepts and resets after 0.2 s, again and again, gets everything and is not hammered."""
    broker = fake(lifetime=0.2)
    one = await station(broker.port).start()
    for _ in range(20):
        one.say(20)
        await sleep(0.1)
    connects = len(broker.record.connects)
    assert 2 <= connects <= 7
    broker.script.lifetime = 0.0
    await cured(one, broker, "accepted and reset after 0.2 s, for 2 s", remark=f"{connects} attempts")


@pytest_twisted.ensureDeferred
async def test_slow_reader(fake: Any, station: Any) -> None:
    """A broker that reads 15 kB/s holds us back, loses nothing and is not taken for dead."""
    broker = fake(read_rate=15_000)
    one = await station(broker.port).start()
    await one.connects()
    one.say(150, size=150)
    await one.settled(30)
    one.balance("broker reads 15 kB/s", arrivals(broker), remark=f"{len(broker.record.connects)} connection")
    assert len(broker.record.connects) == 1, [change.reason for _, change in one.changes]


NOT_MQTT = "whoever listens there does not speak MQTT"
NOT_ALLOWED = "the broker sent what MQTT does not allow"
WRONG_BYTES: dict[str, tuple[dict[str, bytes], str]] = {
    "a web server": ({"greeting": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, NOT_MQTT),
    "20 000 zeros": ({"greeting": bytes(20_000)}, NOT_MQTT),
    "an SSH server": ({"greeting": b"SSH-2.0-OpenSSH_9.2\r\n"}, NOT_MQTT),
    "a CONNACK with a length without end": ({"answer": b"\x20\xff\xff\xff\xff\xff"}, NOT_ALLOWED),
    "half a CONNACK": ({"answer": b"\x20\x02"}, "the broker did not answer CONNECT within 5 s"),
    "0xFF after a PUBLISH": ({"garbage": b"\xff\xff\xff\xff\xff\xff"}, NOT_ALLOWED),
    "a packet of 256 MB announced": ({"garbage": b"\x90\xff\xff\xff\x7f"}, f"{NOT_ALLOWED}: a packet that is no"),
    "a message of 256 MB announced": ({"garbage": b"\x30\xff\xff\xff\x7f"}, "the broker went silent"),
    "PUBACK of nothing": ({"garbage": b"\x40\x02\x00\x00"}, ""),
    "a topic longer than its packet": ({"garbage": b"\x30\x05\x00\x09abc"}, ""),
}
SHORT_BYTES = ("a web server", "0xFF after a PUBLISH")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    "what", [pytest.param(each, marks=[pytest.mark.long] if each not in SHORT_BYTES else []) for each in WRONG_BYTES]
)
async def test_wrong_bytes(fake: Any, station: Any, what: str) -> None:
    """Bytes that are not MQTT, before or in a connection, end it with a reason at most, and lose nothing."""
    script, reason = WRONG_BYTES[what]
    broker = fake(**script)
    one = await station(broker.port).start()
    one.say(50)
    metrics = one.service.client.metrics
    if reason:
        await until(lambda: metrics.failures or metrics.disconnects, 7)
        assert reason in (metrics.last_disconnect_reason or one.service.client.reason)
    else:
        await sleep(1.0)
    for name in ("greeting", "answer", "garbage"):
        setattr(broker.script, name, b"")
    await one.connects()
    await one.settled()
    one.balance(f"instead of MQTT: {what}", arrivals(broker), remark=f"“{reason}”" if reason else "")


@pytest.mark.long
@pytest_twisted.ensureDeferred
async def test_unacknowledged_at_takeover(fake: Any, station: Any) -> None:
    """A session taken over while acknowledgements are late: what was not acknowledged is sent again, nothing else."""
    broker = fake(acknowledge_after=0.3)
    one = await station(broker.port).start()
    await one.connects()
    other = await station(broker.port, reconnect_min=2.0).start()  # the same client id
    one.say(300)
    await sleep(1.0)
    await other.stop()
    await cured(one, broker, "takeover while PUBACKs are 0.3 s late", remark=f"{broker.record.taken_over} takeovers")
    assert broker.record.taken_over


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("code", [5, *(pytest.param(each, marks=pytest.mark.long) for each in (2, 4))])
async def test_refused_while_the_broker_starts(fake: Any, station: Any, code: int) -> None:
    """A broker that had let the login in and refuses it after a restart has us back within 5 s of letting it in."""
    broker = fake()
    one = await station(broker.port).start()
    await one.connects()
    broker.script.code = code
    broker.reset()
    one.say(100)
    await until(lambda: one.service.client.metrics.failures >= 3)
    assert one.service.state is not ConnectionState.FAILED
    assert "the login that it let in before; perhaps it is still starting" in one.service.client.reason
    assert not any(change.event == "failed" for _, change in one.changes)
    broker.script.code = 0
    back = time.monotonic()
    await cured(one, broker, f"CONNACK with code {code} while the broker starts")
    assert one.since(back, "connected") < 5


@pytest_twisted.ensureDeferred
async def test_client_id_used_twice(fake: Any, station: Any) -> None:
    """Another client with our client id, of which the broker says nothing: it is named as the likely cause."""
    broker = fake()
    one = await station(broker.port).start()
    await one.connects()
    other = await station(broker.port, lwt_topic="").start()
    await until(lambda: "client id faults too" in one.service.client.metrics.last_disconnect_reason, 20)
    assert one.service.client.metrics.last_disconnect_reason == (
        "the broker closed the connection, again and again within seconds of letting us in; perhaps another client uses"
        " the client id faults too, or the broker does not take something that we send"
    )
    one.say(100)
    await other.stop()
    await cured(one, broker, "client id used twice", remark=f"{broker.record.taken_over} takeovers")


@pytest.mark.alone  # a stop within a second
@pytest_twisted.ensureDeferred
async def test_nothing_listens(fake: Any, station: Any) -> None:
    """A port on which nothing listens is refused attempts with ever longer waits, and a stop during one is quick."""
    broker = fake()
    port = broker.port
    await broker.stop()
    one = await station(port).start()
    one.say(10)
    await until(lambda: one.service.client.metrics.failures >= 3, 5)
    assert one.service.client.reason == "nothing listens there (connection refused)"
    began = time.monotonic()
    await one.stop()
    assert time.monotonic() - began < 1
    one.check_pairs()
    note("nothing listens", remark="“nothing listens there (connection refused)”; what was accepted is on the disk")
