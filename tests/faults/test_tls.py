"""Certificates that are wrong, each in its own way: FAILED with its own plain reason, no hang, nothing lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.faults.account import note
from tests.faults.certificates import Authority, Pair
from tests.faults.waiting import until
from twisted_detector.mqtt.seams import ConnectionState


def lines(ca: Path, pair: Pair, client: bool = False) -> str:
    return (
        f"allow_anonymous true\ncafile {ca}\ncertfile {pair.certificate}\nkeyfile {pair.key}\n"
        f"require_certificate {'true' if client else 'false'}"
    )


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def foreign(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "foreign")


async def fails(one: Any, reason: str) -> float:
    """Until it has FAILED with ``reason``, announced; after how long."""
    seconds = await until(lambda: one.service.state is ConnectionState.FAILED, 7, lambda: one.service.client.reason)
    assert reason in one.service.client.reason
    assert [event.event for event in one.events] == ["failed"]
    assert reason in one.events[0].reason
    return seconds


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("expired", "certificate has expired"),
        pytest.param("future", "certificate is not yet valid", marks=pytest.mark.long),
        pytest.param("misnamed", "IP address mismatch", marks=pytest.mark.long),
        ("unknown CA", "unable to get local issuer certificate"),
    ],
)
async def test_server_certificates(
    broker: Any, station: Any, ours: Authority, foreign: Authority, case: str, reason: str
) -> None:
    """An expired, early, misnamed or foreign certificate of the broker is FAILED; replaced, it gets everything."""
    good = ours.issue("good")
    wrong = {
        "expired": lambda: ours.issue("used", begins=-10, ends=-1),
        "future": lambda: ours.issue("used", begins=5),
        "misnamed": lambda: ours.issue("used", "elsewhere.example"),
        "unknown CA": lambda: foreign.issue("used"),
    }[case]()
    mosquitto = broker(lines=lines(ours.ca, wrong))
    await mosquitto.start()
    one = await station(mosquitto.port, tls=True, tls_ca_path=str(ours.ca), slow_retry=1.0).start()
    one.say(100)
    noticed = await fails(one, reason)
    assert f"the broker's certificate is not accepted: {reason}" in one.service.client.reason
    await mosquitto.terminate()
    wrong.replace(good)
    back = await mosquitto.start()
    await one.connects()
    await one.settled()
    one.balance(
        f"broker's certificate {case}, then replaced",
        mosquitto.arrivals(),
        noticed=noticed,
        back=one.first_acknowledgement(back),
        remark=f"“{one.events[0].reason}”",
    )
    one.check_pairs()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("missing", "certificate required"),
        ("expired", "certificate expired"),
        pytest.param("unknown CA", "unknown ca", marks=pytest.mark.long),
    ],
)
async def test_client_certificates(
    broker: Any, station: Any, ours: Authority, foreign: Authority, case: str, reason: str
) -> None:
    """Without a valid client certificate it is FAILED with the reason; a right file is used at the next try."""
    mosquitto = broker(lines=lines(ours.ca, ours.issue("server"), client=True))
    await mosquitto.start()
    settings: dict[str, Any] = {"tls": True, "tls_ca_path": str(ours.ca), "slow_retry": 1.0}
    if case == "missing":
        one = await station(mosquitto.port, **settings).start()
        await fails(one, f"the broker does not accept our certificate: tlsv13 alert {reason}")
        note("client certificate missing", remark=f"“{one.events[0].reason}”")
        return
    used = ours.issue("used", "node", ends=-0.5) if case == "expired" else foreign.issue("used", "node")
    one = station(mosquitto.port, **settings, tls_cert_path=str(used.certificate), tls_key_path=str(used.key))
    await one.start()
    one.say(100)
    noticed = await fails(one, reason)
    back = time.monotonic()
    used.replace(ours.issue("fresh", "node"))
    await one.connects()
    await one.settled()
    one.balance(
        f"client certificate {case}, then replaced (slow retry 1 s)",
        mosquitto.arrivals(),
        noticed=noticed,
        back=one.first_acknowledgement(back),
        remark=f"“{one.events[0].reason}”",
    )


@pytest_twisted.ensureDeferred
async def test_rotated_while_connected(broker: Any, station: Any, proxy: Any, ours: Authority) -> None:
    """A client certificate that is rotated while we are connected is what the next connection shows."""
    mosquitto = broker(lines=lines(ours.ca, ours.issue("server"), client=True) + "\nuse_identity_as_username true")
    await mosquitto.start()
    used = ours.issue("used", "before")
    between = proxy(mosquitto.port)
    one = station(
        between.port, tls=True, tls_ca_path=str(ours.ca),
        tls_cert_path=str(used.certificate), tls_key_path=str(used.key),
    )  # fmt: skip
    await one.start()
    await one.connects()
    one.say(500)
    used.replace(ours.issue("fresh", "after"))
    fault = time.monotonic()
    between.reset()
    await until(lambda: not one.connected)
    await one.connects()
    await one.settled()
    one.balance("certificate rotated, reset", mosquitto.arrivals(), back=one.first_acknowledgement(fault))
    log = mosquitto.log.read_text()
    assert "u'before'" in log
    assert "u'after'" in log.rpartition("u'before'")[2]


@pytest_twisted.ensureDeferred
async def test_half_written_certificate(broker: Any, station: Any, ours: Authority) -> None:
    """A certificate file that is just being written is tried again soon, not given up."""
    mosquitto = broker(lines=lines(ours.ca, ours.issue("server"), client=True))
    await mosquitto.start()
    used, fresh = ours.issue("used", "node"), ours.issue("fresh", "node")
    used.certificate.write_bytes(fresh.certificate.read_bytes()[:100])
    one = station(
        mosquitto.port, tls=True, tls_ca_path=str(ours.ca),
        tls_cert_path=str(used.certificate), tls_key_path=str(used.key),
    )  # fmt: skip
    await one.start()
    await until(lambda: one.service.client.metrics.failures)
    assert "TLS files" in one.service.client.reason
    assert one.service.state is ConnectionState.RECONNECTING
    used.replace(fresh)
    await one.connects(4)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("tls", [True, False])
async def test_tls_to_the_wrong_port(broker: Any, station: Any, ours: Authority, tls: bool) -> None:
    """TLS to a port without it, or none to a port with it, is a refused attempt with a reason within 6 s."""
    mosquitto = broker(lines="allow_anonymous true" if tls else lines(ours.ca, ours.issue("server")))
    await mosquitto.start()
    one = await station(mosquitto.port, tls=tls, tls_ca_path=str(ours.ca) if tls else "").start()
    await until(lambda: one.service.client.metrics.failures, 7)
    assert one.service.client.reason
    note(f"{'TLS to a plain' if tls else 'plain to a TLS'} port", remark=f"“{one.service.client.reason}”")
