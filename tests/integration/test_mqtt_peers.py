"""The client against brokers that misbehave, wrong certificates and exhausted descriptors: reasons in plain words."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from tests.integration.mqtt_station import MOSQUITTO, Broker, Station, run, until
from twisted_detector.model import Message
from twisted_detector.mqtt.network.resolver import Resolver
from twisted_detector.mqtt.seams import ConnectionState

CONNACK = b"\x20\x02\x00\x00"


class Scripted(Protocol):
    """Answers packets by the script of its factory: first octet → answer; b"" for none, None to close."""

    def dataReceived(self, data: bytes) -> None:
        self.factory.heard.append(data)
        answer = self.factory.script.get(data[0] & 0xF0, b"")
        if answer is None:
            self.transport.loseConnection()
        elif answer:
            self.transport.write(answer)


@pytest.fixture
def fake_broker() -> Iterator[Callable[..., Any]]:
    ports = []

    def make(script: dict[int, bytes | None]) -> Any:
        factory = Factory.forProtocol(Scripted)
        factory.script = script
        factory.heard = []
        ports.append(reactor.listenTCP(0, factory, interface="127.0.0.1"))
        factory.port = ports[-1].getHost().port
        return factory

    yield make
    for port in ports:
        port.stopListening()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("script", "settings", "reason", "within"),
    [
        ({}, {}, "did not answer CONNECT within 5 s", 6.0),
        ({0x10: None}, {}, "closed the connection instead of answering CONNECT", 1.0),
        ({0x10: b"HTTP/1.1 400 Bad Request\r\n\r\n"}, {}, "does not speak MQTT", 1.0),
        ({0x10: b"\x20\x02\x00\x01"}, {}, "does not speak this version", 1.0),
        ({0x10: b"\x20\x02\x00\x02"}, {}, "does not accept the client id", 1.0),
    ],
)
async def test_brokers_that_do_not_accept(
    fake_broker: Any, script: Any, settings: Any, reason: str, within: float
) -> None:
    """Silence, a close, another protocol and refusals are refused attempts, each with its reason."""
    broker = fake_broker(script)
    async with Station(broker.port, **settings) as station:
        await until(lambda: station.mqtt.metrics.failures > 0, within)
        assert reason in station.mqtt.reason


@pytest_twisted.ensureDeferred
async def test_broker_without_version_five(fake_broker: Any) -> None:
    """``auto`` connects to a broker that refuses MQTT 5, with 3.1.1."""
    broker = fake_broker({0x10: b"\x20\x02\x00\x01"})
    async with Station(broker.port, protocol="auto") as station:
        await until(lambda: station.mqtt.metrics.failures > 0)
        broker.script[0x10] = CONNACK
        await until(station.connected)
        assert station.mqtt.metrics.protocol == "3.1.1"


@pytest_twisted.ensureDeferred
async def test_broker_that_never_acknowledges(fake_broker: Any) -> None:
    """A broker that accepts, answers pings but no message, is left within about 5 s, and nothing is lost."""
    broker = fake_broker({0x10: CONNACK, 0xC0: b"\xd0\x00"})
    async with Station(broker.port, lwt_topic="", republish_topic="") as station:
        await until(station.connected)
        station.outbox.put(Message("x", b"1"))
        assert await until(lambda: not station.connected()) < 5
        assert station.outbox.depth() == 1


@pytest.mark.alone  # a stop within a second
@pytest_twisted.ensureDeferred
async def test_name_server_that_hangs() -> None:
    """A resolver that hangs is a refused attempt after 5 s, and does not hold up the stop."""
    release: list[bool] = []

    def hang(host: str, port: int) -> Any:
        while not release:
            time.sleep(0.05)
        return ()

    station = Station(1, host="broker.invalid", resolver=Resolver(reactor, timeout=1.0, lookup=hang))
    async with station:
        await until(lambda: station.mqtt.metrics.failures >= 2)
        assert "was not resolved within 1 s" in station.mqtt.reason
        began = time.monotonic()
    assert time.monotonic() - began < 1
    release.append(True)


@pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here")
@pytest_twisted.ensureDeferred
async def test_descriptors_above_1023(tmp_path: Path) -> None:
    """With more than a thousand descriptors in use it connects and sends: select would fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    null = os.open(os.devnull, os.O_RDONLY)
    held = [os.dup(null) for _ in range(1100)]
    broker = Broker(tmp_path)
    try:
        broker.start()
        async with Station(broker.port) as station:
            await until(station.connected)
            station.outbox.put(Message("x", b"1"))
            await until(lambda: station.outbox.delivered)
    finally:
        broker.kill()
        for descriptor in [*held, null]:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.ca = folder / f"{name}-ca.pem"
        self._key = folder / f"{name}-ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.ca,
        )  # fmt: skip

    def issue(self, name: str, host: str, days: int = 30) -> tuple[Path, Path]:
        """A certificate for ``host`` and its key; 0 days: one that expires at once (new versions refuse less)."""
        certificate, key, request = (self.folder / f"{name}{ending}" for ending in (".pem", ".key", ".csr"))
        extension = self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={'IP' if host[0].isdigit() else 'DNS'}:{host}\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
            "-keyout", key, "-out", request,
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial",
            "-days", str(days), "-extfile", extension, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    @staticmethod
    def _openssl(*arguments: object) -> None:
        run("openssl", *(str(each) for each in arguments))


def tls_broker(folder: Path, authority: Authority, certificate: tuple[Path, Path], *, client: bool = False) -> Broker:
    lines = [
        "allow_anonymous true",
        f"cafile {authority.ca}",
        f"certfile {certificate[0]}",
        f"keyfile {certificate[1]}",
        f"require_certificate {'true' if client else 'false'}",
    ]
    return Broker(folder, "\n".join(lines))


@pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here")
@pytest_twisted.ensureDeferred
async def test_certificates(tmp_path: Path) -> None:
    """The right certificate is accepted; an expired, foreign or misnamed one ends in FAILED with the reason."""
    ours, foreign = Authority(tmp_path, "ours"), Authority(tmp_path, "foreign")
    cases = [
        (ours.issue("good", "127.0.0.1"), ours.ca, {}, ""),
        (ours.issue("expired", "127.0.0.1", 0), ours.ca, {}, "expired"),
        (ours.issue("misnamed", "elsewhere.example"), ours.ca, {}, "IP address mismatch"),
        (ours.issue("unknown", "127.0.0.1"), foreign.ca, {}, "self-signed"),
        (ours.issue("whatever", "elsewhere.example"), foreign.ca, {"tls_insecure": True}, ""),
    ]
    for certificate, ca, settings, reason in cases:
        broker = tls_broker(tmp_path, ours, certificate)
        broker.start()
        try:
            async with Station(broker.port, tls=True, tls_ca_path=str(ca), **settings) as station:
                if not reason:
                    await until(station.connected)
                    for number in range(200):
                        station.outbox.put(Message("x", b"%d" % number * 300))
                    await until(lambda: len(station.outbox.delivered) == 200)
                    continue
                await until(lambda: station.mqtt.state is ConnectionState.FAILED)
                assert reason in station.mqtt.reason
        finally:
            broker.kill()


@pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here")
@pytest_twisted.ensureDeferred
async def test_client_certificate_and_rotation(tmp_path: Path) -> None:
    """Without a client certificate it is FAILED; with one it connects; a file rotated in between is used next."""
    ours, foreign = Authority(tmp_path, "ours"), Authority(tmp_path, "foreign")
    broker = tls_broker(tmp_path, ours, ours.issue("server", "127.0.0.1"), client=True)
    broker.start()
    settings: dict[str, Any] = {"tls": True, "tls_ca_path": str(ours.ca), "slow_retry": 1.0}
    try:
        async with Station(broker.port, **settings) as without:
            await until(lambda: without.mqtt.state is ConnectionState.FAILED)
            assert "does not accept our certificate" in without.mqtt.reason
        bad, good = foreign.issue("bad", "node"), ours.issue("node", "node")
        certificate, key = tmp_path / "used.pem", tmp_path / "used.key"
        certificate.write_bytes(bad[0].read_bytes())
        key.write_bytes(bad[1].read_bytes())
        async with Station(broker.port, **settings, tls_cert_path=str(certificate), tls_key_path=str(key)) as station:
            await until(lambda: station.mqtt.state is ConnectionState.FAILED)
            certificate.write_bytes(good[0].read_bytes())
            key.write_bytes(good[1].read_bytes())
            await until(station.connected)
    finally:
        broker.kill()
