"""A mosquitto that is killed, stopped, frozen, that flaps or gives our session away: nothing is lost."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from tests.faults.account import note, quantile
from tests.faults.station import Station
from tests.faults.waiting import run, sleep, until
from tests.listener import Listener
from twisted_detector.model import Secret


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("how", ["SIGKILL", pytest.param("SIGTERM", marks=pytest.mark.long)])
async def test_restart(broker: Any, station: Any, how: str) -> None:
    """A broker that is killed or stopped and started again gets everything, and all that is retained once more."""
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port, lwt_topic="site/lwt").start()
    await one.connects()
    for number in range(50):
        one.say_state(f"state/{number}", f"old {number}")
    await one.settled()
    for number in range(50):  # some are known, some newer ones under way
        one.say_state(f"state/{number}", f"{'new' if number % 2 else 'old'} {number}")
    one.say(4000)
    await until(lambda: len(one.acknowledged_at) > 500)
    fault = time.monotonic()
    if how == "SIGKILL":
        mosquitto.kill()
    else:
        await mosquitto.terminate()
    await until(lambda: not one.connected, 2)
    noticed = one.since(fault, "disconnected")
    one.say(500)
    await sleep(1.0)
    back = await mosquitto.start()
    await one.settled()
    await until(lambda: not one.service.outbox.figures().to_republish)
    one.balance(
        f"broker {how}, back after 1 s", mosquitto.arrivals(), noticed=noticed, back=one.first_acknowledgement(back)
    )
    retained = mosquitto.retained("state/#")
    assert retained == {f"state/{number}": f"{'new' if number % 2 else 'old'} {number}" for number in range(50)}
    assert noticed < 1
    one.check_pairs()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("down", [2, *(pytest.param(each, marks=pytest.mark.long) for each in (10, 20, 60))])
async def test_first_acknowledgement_after_an_outage(broker: Any, station: Any, down: int) -> None:
    """After an outage of any length p95 of the time to the first acknowledgement is at most 3.5 s: of 12 clients."""
    mosquitto = broker()
    await mosquitto.start()
    several: list[Station] = [station(mosquitto.port, client_id=f"faults{number}") for number in range(12)]
    for each in several:
        await each.start()
    await gatherResults([Deferred.fromCoroutine(each.connects()) for each in several])
    mosquitto.kill()
    for each in several:
        each.say(100)
    await sleep(down)
    back = await mosquitto.start()
    await gatherResults([Deferred.fromCoroutine(each.settled()) for each in several])
    times = [each.first_acknowledgement(back) for each in several]
    arrivals = mosquitto.arrivals()
    whole = several[0].ledger
    for each in several[1:]:
        whole.accepted |= each.ledger.accepted
    p95 = quantile(times, 0.95)
    whole.balance(
        f"broker down {down} s, 12 clients (p95)", arrivals, back=p95, remark=f"median {quantile(times, 0.5):.2f} s"
    )
    assert p95 <= 3.5, times


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("frozen", "busy"),
    [(5, False), pytest.param(10, False, marks=pytest.mark.long), pytest.param(10, True, marks=pytest.mark.long)],
)
async def test_frozen(broker: Any, station: Any, frozen: float, busy: bool) -> None:
    """A frozen broker (SIGSTOP) is noticed within 5 s with keepalive 30, idle or not, and loses nothing."""
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port, keepalive=30).start()
    await one.connects()
    one.say(200)
    await one.settled()
    await sleep(0.3)
    fault = time.monotonic()
    mosquitto.signal(signal.SIGSTOP)
    if busy:
        one.say(200)
    await until(lambda: not one.connected, 8)
    noticed = one.since(fault, "disconnected")
    one.say(200)
    await sleep(frozen - (time.monotonic() - fault))
    back = time.monotonic()
    mosquitto.signal(signal.SIGCONT)
    await one.settled()
    one.balance(
        f"broker SIGSTOP {frozen:g} s, {'busy' if busy else 'idle'}",
        mosquitto.arrivals(),
        noticed=noticed,
        back=one.first_acknowledgement(back),
    )
    assert noticed <= 5
    assert "silent" in one.service.client.metrics.last_disconnect_reason
    one.check_pairs()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.long)])
async def test_flapping_broker(broker: Any, station: Any, times: int) -> None:
    """A broker that is killed every second loses nothing, while we go on publishing."""
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port, reconnect_max=1.0).start()
    await one.connects()
    for _ in range(times):
        one.say(600)
        await sleep(0.5)
        mosquitto.kill()
        one.say(100)
        await sleep(0.5)
        back = await mosquitto.start()
    await one.settled()
    one.balance(
        f"broker killed {times} times, once a second", mosquitto.arrivals(), back=one.first_acknowledgement(back)
    )
    one.check_pairs()


@pytest_twisted.ensureDeferred
async def test_session_takeover(broker: Any, station: Any, tmp_path: Any) -> None:
    """Another client with our client id that fights for it costs connections, never messages; attempts get rarer."""
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port).start()
    await one.connects()
    rival = Listener(tmp_path / "rival.txt", mosquitto.port)
    rival.end()
    fault = time.monotonic()
    rival.process = type(rival.process)(
        ["mosquitto_sub", "-i", "faults", "-p", str(mosquitto.port), "-t", "elsewhere", "-q", "1"],
        tmp_path / "rival.txt",
    )
    try:
        for _ in range(20):
            one.say(100)
            await sleep(0.1)
    finally:
        rival.end()
    noticed = one.since(fault, "disconnected")
    takeovers = sum(change.event == "disconnected" for _, change in one.changes)
    back = time.monotonic()
    one.say(1)
    await one.settled()
    one.balance(
        "session taken over by the same client id for 2 s",
        mosquitto.arrivals("faults"),
        noticed=noticed,
        back=one.first_acknowledgement(back),
        remark=f"{takeovers} takeovers",
    )
    assert 1 <= takeovers <= 12
    one.check_pairs()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_two_daemons_with_one_node_id(broker: Any, station: Any, protocol: str) -> None:
    """They recognise each other by the instance, say so, and both are connected and lose nothing.

    The one that came up first makes room, with a client id of its own, until the other has gone.
    """
    mosquitto = broker()
    await mosquitto.start()
    settings = {"lwt_topic": "site/lwt", "protocol": protocol}
    first = await station(mosquitto.port, **settings).start()
    await first.connects()
    await sleep(0.2)
    second = await station(mosquitto.port, **settings).start()
    first.say(100, "first")
    second.say(100, "second")
    both = (first, second)
    await until(lambda: all(each.connected and "NODE_ID" in each.service.client.warning for each in both), 15)
    await sleep(2.0)
    losses = [each.service.client.metrics.disconnects for each in both]
    for each in both:
        await each.settled()
        each.check_pairs()
        assert "another daemon with the same NODE_ID" in each.service.degraded
    assert "another client uses the client id faults too" in first.service.client.metrics.last_disconnect_reason
    await sleep(3.0)
    assert [each.service.client.metrics.disconnects for each in both] == losses
    assert max(losses) <= 4, losses
    assert '"status":"online"' in mosquitto.retained("site/lwt")["site/lwt"]
    arrivals = set(mosquitto.arrivals())
    for each in both:
        assert each.ledger.accepted <= arrivals
    note("two daemons with one NODE_ID", remark=f"{losses[0]} and {losses[1]} connections lost, then both stay")
    await second.stop()
    await until(lambda: not first.service.client.warning, 5)
    mosquitto.kill()
    await until(lambda: not first.connected)
    await mosquitto.start()
    await first.connects()
    first.say(1, "own")
    await first.settled()
    assert mosquitto.arrivals("faults")[-1] == "f/faults/own/0"


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("limit", ["retain_available false", "max_qos 0"])
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_limits_of_the_broker(broker: Any, station: Any, limit: str, protocol: str) -> None:
    """A broker that retains nothing, or takes QoS 0 only, has us keep to that and stay connected, with a will.

    With MQTT 5 it says so (3.2.2.3); with 3.1.1 it closes the connection, first for the will and then for each message.
    """
    mosquitto = broker(lines=f"allow_anonymous true\n{limit}")
    await mosquitto.start()
    one = await station(mosquitto.port, protocol=protocol, lwt_topic="site/lwt").start()
    await one.connects(30)
    one.say_state("state/x", "here")
    one.say(20)
    await one.settled()
    await until(lambda: one.ledger.accepted <= set(mosquitto.arrivals("faults")), 5)
    assert one.service.client.metrics.disconnects == 0


@pytest_twisted.ensureDeferred
async def test_wrong_password(broker: Any, station: Any, tmp_path: Any) -> None:
    """A wrong password ends in FAILED, announced in plain words without it; tried again slowly, then cured."""
    passwords = tmp_path / "passwords"
    run("mosquitto_passwd", "-b", "-c", passwords, "joe", "right")
    mosquitto = broker(lines=f"allow_anonymous false\npassword_file {passwords}")
    await mosquitto.start()
    login = {"username": "joe", "password": Secret("later"), "slow_retry": 1.0}
    one = await station(mosquitto.port, **login).start()
    one.say(200)
    await until(lambda: any(change.event == "failed" for _, change in one.changes))
    assert one.service.client.reason == "the broker does not authorize this client"
    assert [event.event for event in one.events] == ["failed"]
    assert "later" not in repr(one.changes) + repr(one.events)
    await sleep(0.6)
    assert sum(change.event == "connecting" for _, change in one.changes) == 1
    run("mosquitto_passwd", "-b", passwords, "joe", "later")  # -c would make the file anew, which 2.1 refuses
    back = time.monotonic()
    mosquitto.signal(signal.SIGHUP)
    await one.connects()
    await one.settled()
    one.balance(
        "wrong password, cured (slow retry 1 s)",
        mosquitto.arrivals(),
        back=one.first_acknowledgement(back),
        remark="“the broker does not authorize this client”",
    )
    one.check_pairs()


@pytest_twisted.ensureDeferred
async def test_lost_retained_documents_come_back_when_asked(broker: Any, station: Any) -> None:
    """What somebody deletes from the broker is said again on ``homeassistant/status`` = ``online``."""
    mosquitto = broker()
    await mosquitto.start()
    one = await station(mosquitto.port).start()
    await one.connects()
    for number in range(20):
        one.say_state(f"state/{number}", "here")
    await one.settled()
    await sleep(0.2)
    publish = ["mosquitto_pub", "-p", mosquitto.port]
    for number in range(20):
        run(*publish, "-t", f"state/{number}", "-r", "-n")
    assert mosquitto.retained("state/#", 1) == {}
    run(*publish, "-t", "homeassistant/status", "-m", "online")
    for _ in range(10):
        await sleep(0.1)
        if len(mosquitto.retained("state/#", 1)) == 20:
            break
    else:
        raise AssertionError("not all retained documents were said again")
    note("retained documents deleted on the broker", remark="20 of 20 said again on `homeassistant/status`")
