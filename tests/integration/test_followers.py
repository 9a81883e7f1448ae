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

from tests.outputs.case import CAMERA, NAME, SUB
from tests.peers.frigate import Frigate
from tests.peers.go2rtc import Go2rtc
from twisted_detector.model import Login, Secret
from twisted_detector.outputs.frigate.api import FrigateApi
from twisted_detector.outputs.frigate.document import FrigateOptions, build
from twisted_detector.outputs.go2rtc.api import Go2rtcApi
from twisted_detector.outputs.sync.http import HttpClient, basic_auth
from twisted_detector.outputs.sync.merging import is_ours
from twisted_detector.outputs.sync.seams import DeliveryResult, Entries, TargetRefused, TargetUnavailable

THEIRS = """\
# mine
mqtt:
  host: broker
cameras:
  door:  # the first
    ffmpeg:
      inputs:
        - path: rtsp://user:secret@10.0.0.5/x
          roles: [detect]
"""
WANTED = build([CAMERA], {}, FrigateOptions()).entries


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


def go2rtc(
    server: Server, *, keep: bool = False, login: dict[str, str] | None = None, timeout: float = 3.0
) -> Go2rtcApi:
    http = HttpClient(reactor, server.url, timeout=timeout)
    return Go2rtcApi(http, is_ours=is_ours, keep_logins=keep, headers=login or {})


async def deliver(api: Any, wanted: Entries, base: Entries | None = None, *, dry: bool = False) -> DeliveryResult:
    done: DeliveryResult = await api.deliver(wanted, base or {}, dry)
    return done


@pytest.mark.parametrize(
    ("version", "raw"), [("0.14.1-f4f3cfa", "text"), ("0.16.4-2a8a4b5", "json"), ("0.18.0", "json")]
)
@pytest_twisted.ensureDeferred
async def test_frigate_gets_a_camera_and_loses_it(servers: list[Server], file: Path, version: str, raw: str) -> None:
    """Added and forgotten, the rest of Frigate's file stays to the byte; every version gets what it takes."""
    servers.append(Server(Frigate(file, version=version, raw=raw)))
    api = frigate(servers[0])
    done = await deliver(api, WANTED)
    assert done.changed
    text = file.read_text()
    assert all(line in text.splitlines() for line in THEIRS.splitlines())
    assert ("friendly_name" in text) is (version >= "0.17")
    assert not (await deliver(api, WANTED, done.written)).changed
    assert servers[0].resource.saves == ["saveonly"]
    await deliver(api, {}, done.written)
    assert file.read_text() == THEIRS


@pytest_twisted.ensureDeferred
async def test_a_dry_run_changes_nothing(servers: list[Server], file: Path) -> None:
    """The difference is shown without anybody's login, and Frigate is only read."""
    servers.append(Server(Frigate(file)))
    told = await deliver(frigate(servers[0]), WANTED, dry=True)
    assert any(line.startswith("+") and NAME in line for line in told.diff)
    assert "secret" not in "\n".join(told.diff)
    assert (file.read_text(), servers[0].resource.saves) == (THEIRS, [])


@pytest_twisted.ensureDeferred
async def test_frigate_refuses(servers: list[Server], file: Path) -> None:
    """What Frigate refuses is told with its own words, and what stood there stands there still."""
    servers.append(Server(Frigate(file)))
    bad = {
        NAME: {"ffmpeg": {"inputs": [{"path": "rtsp://h/1", "roles": ["clips"]}, {"path": "x", "roles": ["detect"]}]}}
    }
    with pytest.raises(TargetRefused, match="'audio', 'record' or 'detect'"):
        await deliver(frigate(servers[0]), bad)
    assert file.read_text() == THEIRS


@pytest.mark.parametrize(
    ("fault", "words"), [("slow", "nothing for 0.3 s"), ("nonsense", "no Frigate"), ("torn", "Frigate failed on it")]
)
@pytest_twisted.ensureDeferred
async def test_frigate_in_trouble(servers: list[Server], file: Path, fault: str, words: str) -> None:
    """One that is slow, another program, or fails while it writes: said so, to be tried again, and nothing is lost."""
    servers.append(Server(Frigate(file, fault=fault)))
    with pytest.raises(TargetUnavailable, match=words):
        await deliver(frigate(servers[0], timeout=0.3 if fault == "slow" else 3.0), WANTED)
    assert file.read_text() == THEIRS


@pytest_twisted.ensureDeferred
async def test_a_save_whose_answer_is_lost(servers: list[Server], file: Path) -> None:
    """Saved, and an error told: what stands there is looked at, and it is no failure."""
    servers.append(Server(Frigate(file, fault="lost")))
    assert (await deliver(frigate(servers[0]), WANTED)).changed
    assert NAME in file.read_text()


@pytest_twisted.ensureDeferred
async def test_frigate_away(servers: list[Server], file: Path) -> None:
    """Nobody listens: told so."""
    server = Server(Frigate(file))
    await server.port.stopListening()
    with pytest.raises(TargetUnavailable, match="does not answer"):
        await deliver(frigate(server), WANTED)


@pytest_twisted.ensureDeferred
async def test_a_login_for_frigate(servers: list[Server], file: Path) -> None:
    """Logged in once with the administrator's login; a wrong one, or none, is told without showing it."""
    servers.append(Server(Frigate(file, login="admin:hunter2")))
    assert (await deliver(frigate(servers[0], user="admin", password=Secret("hunter2")), WANTED)).changed
    for login in ({}, {"user": "admin", "password": Secret("hunter3")}):
        with pytest.raises(TargetRefused, match="login") as caught:
            await deliver(frigate(servers[0], **login), WANTED)
        assert "hunter" not in str(caught.value)


@pytest_twisted.ensureDeferred
async def test_restarts_are_paced(servers: list[Server], file: Path) -> None:
    """Frigate is restarted after a change when that is wanted, and not twice in a row."""
    servers.append(Server(Frigate(file)))
    api = frigate(servers[0], restart=True)
    done = await deliver(api, WANTED)
    with pytest.raises(TargetUnavailable, match="restarted a moment ago"):
        await deliver(api, {}, done.written)
    assert servers[0].resource.saves == ["restart"]


@pytest_twisted.ensureDeferred
async def test_a_new_camera_with_a_login(servers: list[Server], file: Path, tmp_path: Path) -> None:
    """A Frigate that was started before does not know its variables: that is said, or it is restarted to learn them."""
    entries = build([CAMERA], {NAME: Login("admin", Secret("x"))}, FrigateOptions()).entries
    env = tmp_path / "frigate.env"
    servers.append(Server(Frigate(file, env=str(env))))
    env.write_text(f"FRIGATE_{NAME}_USER=admin\nFRIGATE_{NAME}_PASSWORD=x\n")
    with pytest.raises(TargetRefused, match="variables of a new camera"):
        await deliver(frigate(servers[0]), entries)
    api = frigate(servers[0], restart=True)
    with pytest.raises(TargetUnavailable, match="to learn the variables"):
        await deliver(api, entries)
    assert (servers[0].resource.restarts, file.read_text()) == (1, THEIRS)
    assert (await deliver(frigate(servers[0]), entries)).changed


STREAMS = {NAME: ["rtsp://admin:p%40ss@10.0.0.9:554/main"], f"{NAME}_sub": [SUB.url]}


@pytest_twisted.ensureDeferred
async def test_go2rtc_gets_streams(servers: list[Server], tmp_path: Path) -> None:
    """A source with a login is in go2rtc's memory and not in its file; one without is in both; others' stay."""
    kept = tmp_path / "streams.json"
    kept.write_text('{"garden": ["rtsp://10.0.0.5/x"]}')
    servers.append(Server(Go2rtc(file=str(kept))))
    there = servers[0].resource
    api = go2rtc(servers[0])
    done = await deliver(api, {**STREAMS, "garden": ["rtsp://10.0.0.9/y"]})
    assert there.streams == {"garden": ["rtsp://10.0.0.5/x"], **STREAMS}
    assert "garden" in done.remark
    assert set(done.written) == set(STREAMS)
    assert "p%40ss" not in repr(done)
    await deliver(api, {}, done.written)
    assert there.streams == {"garden": ["rtsp://10.0.0.5/x"]}


@pytest_twisted.ensureDeferred
async def test_no_password_in_go2rtcs_file(servers: list[Server], tmp_path: Path) -> None:
    """Only with PUBLISH_CREDENTIALS is a source with a login given to go2rtc to be written down."""
    for keep in (False, True):
        kept = tmp_path / f"streams-{keep}.json"
        servers.append(Server(Go2rtc(file=str(kept))))
        await deliver(go2rtc(servers[-1], keep=keep), {NAME: STREAMS[NAME]})
        assert kept.exists() is keep


@pytest_twisted.ensureDeferred
async def test_who_looks_follows_a_move(servers: list[Server], tmp_path: Path) -> None:
    """A stream that is looked at is patched in its place, and written down when nobody looks any more."""
    servers.append(Server(Go2rtc(file=str(tmp_path / "streams.json"))))
    there, api, name = servers[0].resource, go2rtc(servers[0]), f"{NAME}_sub"
    done = await deliver(api, {name: [SUB.url]})
    stream = there.streams[name]
    there.watched.add(name)
    there.asked.clear()
    moved = {name: [SUB.url.replace("10.0.0.9", "10.0.0.77")]}
    await deliver(api, moved, done.written)
    assert there.asked == ["GET", f"PATCH {name}"]
    assert there.streams[name] is stream
    assert stream == moved[name]
    await deliver(api, moved, done.written)
    assert there.asked[-1] == "GET", "nothing more while somebody looks"
    there.watched.clear()
    await deliver(api, moved, done.written)
    assert there.asked[-1] == f"PUT {name}"
    await deliver(api, moved, done.written)
    assert there.asked[-1] == "GET"


@pytest_twisted.ensureDeferred
async def test_a_go2rtc_that_was_started_anew(servers: list[Server]) -> None:
    """Streams that a restart of go2rtc lost are there again after the next look."""
    servers.append(Server(Go2rtc()))
    api = go2rtc(servers[0])
    done = await deliver(api, STREAMS)
    servers[0].resource.streams.clear()
    await deliver(api, STREAMS, done.written)
    assert servers[0].resource.streams == STREAMS


@pytest_twisted.ensureDeferred
async def test_a_path_that_is_a_streams_name(servers: list[Server], tmp_path: Path) -> None:
    """PATCH would make an alias of the other stream: a source without a login goes another way, with one it is told."""
    kept = tmp_path / "streams.json"
    kept.write_text('{"main": ["rtsp://10.0.0.5/x"]}')
    servers.append(Server(Go2rtc(file=str(kept))))
    await deliver(go2rtc(servers[0]), {NAME: ["rtsp://10.0.0.9:554/main"]})
    assert servers[0].resource.streams[NAME] == ["rtsp://10.0.0.9:554/main"]
    with pytest.raises(TargetRefused, match="name of a camera's path"):
        await deliver(go2rtc(servers[0]), {f"{NAME}_2": STREAMS[NAME]})


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("slow", TargetUnavailable), ("nonsense", TargetUnavailable), ("refuse", TargetRefused), ("login", TargetRefused)],
)
@pytest_twisted.ensureDeferred
async def test_go2rtc_in_trouble(servers: list[Server], fault: str, kind: type[Exception]) -> None:
    """One that is slow, answers nonsense, refuses or wants a login: told so, without showing one."""
    options = {"login": "me:hunter2"} if fault == "login" else {"fault": fault}
    servers.append(Server(Go2rtc(**options)))
    with pytest.raises(kind) as caught:
        await deliver(go2rtc(servers[0], timeout=0.3 if fault == "slow" else 3.0), STREAMS)
    assert "p%40ss" not in str(caught.value)
    if fault == "login":
        await deliver(go2rtc(servers[0], login=basic_auth("me", Secret("hunter2"))), STREAMS)


@pytest_twisted.ensureDeferred
async def test_what_a_server_sees_of_a_request(servers: list[Server], file: Path) -> None:
    """No header but those that were given: no compression is offered, and no cookie is kept that was not asked for."""
    servers.append(Server(Frigate(file)))
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
        response = await http.request("GET", "/api/version", headers={"Authorization": "Bearer x"})
        assert (response.status, response.cookies) == (200, {"session": "1"})
    host = servers[0].url.removeprefix("http://")
    expected = {"host": host, "user-agent": "camdetect", "authorization": "Bearer x", "connection": "close"}
    assert seen == [expected, expected]
