"""The client against a real mosquitto that is killed, frozen, or refuses."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.integration.mqtt_station import MOSQUITTO, Broker, Station, read_retained, run, sleep, until
from twisted_detector.model import Message, Secret
from twisted_detector.mqtt.seams import ConnectionState

pytestmark = pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here")


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    made: list[Broker] = []

    def make(lines: str = "allow_anonymous true") -> Broker:
        made.append(Broker(tmp_path, lines))
        return made[-1]

    yield make
    for broker in made:
        broker.kill()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("protocol", "spoken"), [("3.1.1", "3.1.1"), ("5", "5"), ("auto", "5")])
async def test_every_message_is_acknowledged(brokers: Any, protocol: str, spoken: str) -> None:
    """QoS 0 and 1 messages are acknowledged, and said to be so, in each version of the protocol."""
    broker = brokers()
    broker.start()
    async with Station(broker.port, protocol=protocol) as station:
        await until(station.connected)
        for number in range(500):
            station.outbox.put(Message(f"a/{number % 7}", b"%d" % number, qos=number % 2))
        await until(lambda: len(station.outbox.delivered) == 500)
        assert station.outbox.depth() == 0
        assert station.mqtt.metrics.protocol == spoken
        assert station.mqtt.metrics.acknowledged == 500


@pytest_twisted.ensureDeferred
async def test_killed_broker_loses_nothing(brokers: Any) -> None:
    """Messages that were under way when the broker was killed arrive after it is back, within 3.5 s, in order."""
    broker = brokers()
    broker.start()
    async with Station(broker.port) as station:
        await until(station.connected)
        for number in range(3000):
            station.outbox.put(Message("k/x", b"%d" % number))
        await until(lambda: len(station.outbox.delivered) > 200)
        broker.kill()
        await until(lambda: station.mqtt.state is ConnectionState.RECONNECTING, 2)
        await sleep(2)
        before = len(station.outbox.delivered)
        broker.start()
        assert await until(lambda: len(station.outbox.delivered) > before) < 3.5
        await until(lambda: len(station.outbox.delivered) == 3000)
        payloads = [int(message.payload) for message in station.outbox.delivered]
        assert payloads == sorted(payloads)
        assert [event.event for event in station.events] == ["connected", "disconnected", "connected"]
        assert station.outbox.republished == 2


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("busy", [True, False])
async def test_frozen_broker_is_noticed(brokers: Any, busy: bool) -> None:
    """A broker that is stopped with SIGSTOP is noticed within 5 s, idle or not, and found again afterwards."""
    broker = brokers()
    broker.start()
    async with Station(broker.port) as station:
        await until(station.connected)
        await sleep(0.5)
        broker.signal(signal.SIGSTOP)
        began = time.monotonic()
        if busy:
            station.outbox.put(Message("f/x", b"1"))
        await until(lambda: not station.connected(), 8)
        assert time.monotonic() - began <= 5
        assert "silent" in station.mqtt.metrics.last_disconnect_reason
        await sleep(max(0.0, 10 - (time.monotonic() - began)))
        broker.signal(signal.SIGCONT)
        assert await until(station.connected, 8) < 4
        if busy:
            await until(lambda: len(station.outbox.delivered) == 1)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_wrong_password_is_a_failure(brokers: Any, tmp_path: Path, protocol: str) -> None:
    """A wrong password ends in FAILED with the reason in plain words, and the password is nowhere in it."""
    passwords = tmp_path / "passwords"
    run("mosquitto_passwd", "-b", "-c", str(passwords), "joe", "right")
    passwords.chmod(0o644)
    broker = brokers(f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    wrong = Station(broker.port, protocol=protocol, username="joe", password=Secret("wr0ng"))
    async with wrong:
        await until(lambda: wrong.mqtt.state is ConnectionState.FAILED)
        assert "authorize" in wrong.mqtt.reason or "password" in wrong.mqtt.reason
        assert "wr0ng" not in repr(wrong.changes)
        assert [event.event for event in wrong.events] == ["failed"]
    async with Station(broker.port, protocol=protocol, username="joe", password=Secret("right")) as right:
        await until(right.connected)


@pytest_twisted.ensureDeferred
async def test_clean_stop_says_offline(brokers: Any) -> None:
    """A stop publishes what is queued and a retained ``offline`` with its reason, in less than 4 s."""
    broker = brokers()
    broker.start()
    station = Station(broker.port)
    station.mqtt.startService()
    await until(station.connected)
    await until(lambda: station.mqtt.metrics.received > 0)
    assert read_retained(broker.port, "site/lwt")["status"] == "online"
    for number in range(300):
        station.outbox.put(Message("s/x", b"%d" % number))
    began = time.monotonic()
    await station.mqtt.stopService()
    assert time.monotonic() - began < 4
    assert len(station.outbox.delivered) == 300
    assert read_retained(broker.port, "site/lwt") == {"status": "offline", "session": 1, "reason": "shutdown"}


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_stop_without_a_broker_is_bounded(brokers: Any, how: int) -> None:
    """A stop ends in less than 4 s when the broker is frozen or gone."""
    broker = brokers()
    broker.start()
    station = Station(broker.port)
    station.mqtt.startService()
    await until(station.connected)
    broker.signal(how)
    station.outbox.put(Message("s/x", b"1"))
    began = time.monotonic()
    await station.mqtt.stopService()
    assert time.monotonic() - began < 4
    assert station.outbox.depth() == 1


@pytest_twisted.ensureDeferred
async def test_late_will_is_healed(brokers: Any) -> None:
    """A will of a dead session that comes late is answered with a new ``online``."""
    broker = brokers()
    broker.start()
    async with Station(broker.port) as station:
        await until(lambda: station.mqtt.metrics.received > 0)
        late = json.dumps({"status": "offline", "session": 0})
        run("mosquitto_pub", "-p", str(broker.port), "-t", "site/lwt", "-r", "-q", "1", "-m", late)
        await until(lambda: station.mqtt.metrics.wills_healed == 1)
        await sleep(0.2)
        assert read_retained(broker.port, "site/lwt")["status"] == "online"


@pytest_twisted.ensureDeferred
async def test_subscriptions_survive_a_restart_and_slow_handlers(brokers: Any) -> None:
    """Subscriptions come back after a reconnect; a slow handler holds the broker back and loses nothing."""
    broker = brokers()
    broker.start()
    heard: list[bytes] = []
    gate: Deferred[None] = Deferred()

    async def handler(topic: str, payload: bytes) -> None:
        if not heard:
            heard.append(payload)
            await gate
            return
        heard.append(payload)

    async with Station(broker.port) as station:
        station.mqtt.subscribe("in/+", handler)
        await until(station.connected)
        broker.kill()
        await until(lambda: not station.connected())
        broker.start()
        await until(station.connected)
        async with Station(broker.port, client_id="speaker", lwt_topic="") as speaker:
            for number in range(4000):
                speaker.outbox.put(Message("in/x", b"%d" % number))
            await until(lambda: len(speaker.outbox.delivered) == 4000)
            await sleep(6)  # longer than any watchdog: what is unread must not look like silence
            assert station.connected()
            assert len(heard) == 1
            assert station.mqtt.metrics.received < 1500
            gate.callback(None)
            await until(lambda: len(heard) == 4000)
        assert [int(each) for each in heard] == list(range(4000))


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("host", ["a" * 70 + ".invalid", "no-such-name.invalid", "\udce4"])
async def test_bad_host_names_are_refused_attempts(host: str) -> None:
    """A host name that is none, or unknown, is a refused attempt that is repeated, never silence."""
    station = Station(1, host=host)
    async with station:
        await until(lambda: station.mqtt.metrics.failures >= 1, 12)
        assert station.mqtt.state in (ConnectionState.RECONNECTING, ConnectionState.CONNECTING)
        assert station.changes[1].event == "refused"
        assert "name" in station.changes[1].reason
