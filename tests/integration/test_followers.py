"""The APIs of Frigate and go2rtc over real sockets, against servers of our own that do what the real ones do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.web.server import Site

from tests.outputs.case import CAMERA, NAME, SUB, TAGS
from tests.outputs.frigate_case import THEIRS
from tests.peers import frigate as frigate_peer, go2rtc as go2rtc_peer
from tests.peers.exchange import Socketed
from tests.peers.frigate import Frigate
from tests.peers.go2rtc import Go2rtc
from twisted_detector.outputs.frigate.api import FrigateApi
from twisted_detector.outputs.frigate.document import FrigateOptions, build
from twisted_detector.outputs.go2rtc.api import Go2rtcApi
from twisted_detector.outputs.sync.http import HttpClient, HttpRequest
from twisted_detector.outputs.sync.merging import is_ours
from twisted_detector.outputs.sync.seams import DeliveryResult, Entries, TargetUnavailable

WANTED = build([CAMERA], {}, FrigateOptions(), tags=TAGS).entries


async def at_once(work: Any) -> Any:
    return work()


class Server:
    """One of the two, listening on a port of its own."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource
        self.port = reactor.listenTCP(0, Site(resource), interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port.getHost().port}"


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made: list[Server] = []
    yield made
    for server in made:
        pytest_twisted.blockon(server.port.stopListening())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yml"
    path.write_text(THEIRS)
    return path


def frigate(server: Server, **more: Any) -> FrigateApi:
    http = HttpClient(reactor, server.url, timeout=more.pop("timeout", 3.0))
    return FrigateApi(http, in_thread=at_once, monotonic=time.monotonic, **more)


def go2rtc(server: Server, *, timeout: float = 3.0) -> Go2rtcApi:
    http = HttpClient(reactor, server.url, timeout=timeout)
    return Go2rtcApi(http, is_ours=is_ours, keep_logins=False, headers={})


async def deliver(api: Any, wanted: Entries, base: Entries | None = None, *, dry: bool = False) -> DeliveryResult:
    done: DeliveryResult = await api.deliver(wanted, base or {}, dry)
    return done


@pytest.mark.parametrize("version", frigate_peer.VERSIONS)
@pytest_twisted.ensureDeferred
async def test_frigate_gets_a_camera_and_loses_it(servers: list[Server], file: Path, version: str) -> None:
    """Added and forgotten, the rest of Frigate's file stays to the byte; every version gets what it takes."""
    double = Frigate(version, path=file)
    servers.append(Server(Socketed(double.answer)))
    api = frigate(servers[0])
    done = await deliver(api, WANTED)
    assert done.changed
    assert file.read_text().startswith(THEIRS)
    assert len(double.config.running.reads) == (3 if double.minor >= 17 else 1)
    assert not (await deliver(api, WANTED, done.written)).changed
    await deliver(api, {}, done.written)
    assert file.read_text() == THEIRS


@pytest_twisted.ensureDeferred
async def test_frigate_is_slow(servers: list[Server], file: Path) -> None:
    """One that never answers is away."""
    servers.append(Server(Socketed(Frigate(path=file, fault="slow").answer)))
    with pytest.raises(TargetUnavailable, match="nothing for"):
        await deliver(frigate(servers[0], timeout=0.3), WANTED)


@pytest_twisted.ensureDeferred
async def test_frigate_away(servers: list[Server], file: Path) -> None:
    """Nobody listens: told so."""
    server = Server(Socketed(Frigate(path=file).answer))
    await server.port.stopListening()
    with pytest.raises(TargetUnavailable, match="does not answer"):
        await deliver(frigate(server), WANTED)


STREAMS = {NAME: ["rtsp://admin:p%40ss@10.0.0.9:554/main"], f"{NAME}_sub": [SUB.url]}


@pytest.mark.parametrize("version", go2rtc_peer.VERSIONS)
@pytest_twisted.ensureDeferred
async def test_go2rtc_gets_streams(servers: list[Server], tmp_path: Path, version: str) -> None:
    """A source with a login is in go2rtc's memory and not in its file; one without is in both; others' stay."""
    kept = tmp_path / "go2rtc.yaml"
    kept.write_text("streams:\n  garden: rtsp://10.0.0.5/x\n")
    double = Go2rtc(version, path=kept)
    servers.append(Server(Socketed(double.answer)))
    api = go2rtc(servers[0])
    done = await deliver(api, {**STREAMS, "garden": ["rtsp://10.0.0.9/y"]})
    assert double.sources() == {"garden": ["rtsp://10.0.0.5/x"], **STREAMS}
    assert "p%40ss" not in repr(done) + kept.read_text()
    await deliver(api, {}, done.written)
    assert kept.read_text() == "streams:\n  garden: rtsp://10.0.0.5/x\n"


@pytest_twisted.ensureDeferred
async def test_go2rtc_is_slow(servers: list[Server]) -> None:
    """One that never answers is away."""
    servers.append(Server(Socketed(Go2rtc(fault="slow").answer)))
    with pytest.raises(TargetUnavailable, match="nothing for"):
        await deliver(go2rtc(servers[0], timeout=0.3), STREAMS)


@pytest_twisted.ensureDeferred
async def test_what_a_server_sees_of_a_request(servers: list[Server], file: Path) -> None:
    """No header but those that were given: no compression is offered, and no cookie is kept that was not asked for."""
    servers.append(Server(Socketed(Frigate(path=file).answer)))
    seen: list[dict[str, str]] = []
    render = servers[0].resource.render

    def record(request: Any) -> Any:
        headers = request.requestHeaders.getAllRawHeaders()
        seen.append({name.decode().lower(): values[0].decode() for name, values in headers})
        request.setHeader("Set-Cookie", "session=1")
        return render(request)

    servers[0].resource.render = record
    http = HttpClient(reactor, servers[0].url, timeout=3.0)
    for _ in range(2):
        response = await http.request(HttpRequest("GET", "/api/version", headers={"Authorization": "Bearer x"}))
        assert (response.status, response.cookies) == (200, {"session": "1"})
    host = servers[0].url.removeprefix("http://")
    expected = {"host": host, "user-agent": "camdetect", "authorization": "Bearer x", "connection": "close"}
    assert seen == [expected, expected]
