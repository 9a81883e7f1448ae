"""The ONVIF inspector over real sockets: against simulated cameras, and against servers that mean no good."""

from __future__ import annotations

import hashlib
import os
import random
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from OpenSSL.crypto import FILETYPE_PEM, X509, PKey, load_certificate, load_privatekey
from twisted.internet import reactor as _reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.ssl import CertificateOptions

from tests.faults.certificates import Authority
from tests.processes import ROOT, Process
from twisted_detector.errors import InspectionError, Unauthorized, Unreachable
from twisted_detector.inspection.http.client import HttpClient
from twisted_detector.inspection.onvif.inspector import OnvifInspector
from twisted_detector.model import Candidate, EvidenceKind, Inspection, Login, Secret, Status
from twisted_detector.testing.simulator.camera import Auth, CameraSpec, Quirks
from twisted_detector.testing.simulator.fleet import SimulatedCamera
from twisted_detector.testing.simulator.http import site

reactor: Any = _reactor
RIGHT = Login("viewer", Secret("right"))
WRONG = Login("viewer", Secret("wrong"))
SCHEMES = (Auth.NONE, Auth.DIGEST, Auth.DIGEST_SHA256, Auth.WSSE)
#: Questions that a complete inspection of a camera with two profiles may ask, the challenge among them.
MOST_REQUESTS = {Auth.NONE: 12, Auth.WSSE: 12, Auth.DIGEST: 15, Auth.DIGEST_SHA256: 15}


def inspector(timeout: float = 5.0) -> OnvifInspector:
    return OnvifInspector(
        reactor,
        lambda: HttpClient(reactor, timeout=timeout),
        random=os.urandom,
        monotonic=time.monotonic,
    )


@asynccontextmanager
async def camera(address: str = "127.0.0.1", **said: Any) -> AsyncIterator[tuple[SimulatedCamera, Candidate]]:
    """A simulated camera on the loopback interface, and what WS-Discovery tells of it."""
    spec = CameraSpec(address, http_port=0, rtsp_port=0, login=RIGHT, **said)
    one = SimulatedCamera(spec, reactor=reactor, random=random.Random(1))
    one.start()
    try:
        yield one, Candidate(f"at {address}", address, xaddrs=(one.spec.service_url("device"),), scopes=spec.scopes)
    finally:
        await one.stop()


async def visit(asking: OnvifInspector, candidate: Candidate, *logins: Login) -> Inspection | Unauthorized | None:
    """As the detector does: without a login, then with each in turn until one is let in."""
    outcome: Inspection | Unauthorized | None = None
    for login in (None, *logins):
        try:
            outcome = await asking.inspect(candidate, login)
        except Unauthorized as error:
            outcome = error
            continue
        if outcome is None or outcome.status is not Status.AUTH_REQUIRED:
            break
    return outcome


def complete(outcome: object) -> bool:
    return isinstance(outcome, Inspection) and len(outcome.streams) == 2 and bool(outcome.serial_number)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("auth", SCHEMES)
@pytest.mark.parametrize("media2", [True, False])
async def test_requests(auth: Auth, media2: bool) -> None:
    """A complete inspection takes few requests, in one go or as a visit, announced or only found open."""
    login = None if auth is Auth.NONE else RIGHT
    for announced in (True, False):
        async with camera(auth=auth, media2=media2) as (one, candidate):
            if not announced:
                candidate = replace(candidate, scopes=())
            outcome = await inspector().inspect(candidate, login)
            assert complete(outcome)
            assert sum(one.onvif.requests.values()) <= MOST_REQUESTS[auth], one.onvif.requests
            assert one.access.failures == 0
    async with camera(auth=auth, media2=media2) as (one, candidate):
        outcome = await visit(inspector(), candidate, RIGHT)
        assert complete(outcome)
        assert sum(one.onvif.requests.values()) <= MOST_REQUESTS[auth], one.onvif.requests


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("auth", [Auth.DIGEST, Auth.WSSE])
@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(),
        Quirks(clock_skew=-30.0),
        Quirks(clock_skew=8 * 3600.0),
        Quirks(clock_skew=-1_700_000_000.0),
        Quirks(local_as_utc=8 * 3600.0),
        Quirks(local_as_utc=-12_600.0),
    ],
    ids=str,
)
async def test_nothing_locks(auth: Auth, quirks: Quirks) -> None:
    """A camera that locks after three failures has one after a wrong and a right login, whatever its clock."""
    async with camera(auth=auth, quirks=replace(quirks, lock_after=3, lock_silent=True)) as (one, candidate):
        outcome = await visit(inspector(), candidate, WRONG, RIGHT)
        assert complete(outcome)
        assert (one.access.failures, one.access.locks) == (1, 0)


@pytest_twisted.ensureDeferred
async def test_slow_beside_quick() -> None:
    """A camera that takes a second for each answer holds up no other, and is asked by one inspection at a time."""
    async with camera(quirks=Quirks(delay=1.0)) as (one, slow), camera("127.0.0.2", seed="2") as (_, quick):
        asking = inspector()
        waiting = [Deferred.fromCoroutine(asking.inspect(slow, None)) for _ in range(2)]
        assert complete(await asking.inspect(quick, None))
        assert not any(each.called for each in waiting)
        assert sum(one.onvif.requests.values()) <= 1
        for each in waiting:
            each.addErrback(lambda failure: failure.trap(CancelledError, InspectionError))
            each.cancel()


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[str]:
    process = Process((sys.executable, str(ROOT / "tests" / "peers" / "hostile_http.py")), tmp_path / "hostile.log")
    try:
        process.wait_for("port ")
        found = re.search(r"port (\d+)", process.text())
        assert found
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.end()


def resident() -> int:
    """Bytes of memory that this process has now (proc(5), statm, field 2)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("path", "code"), [("body", "too_long"), ("head", "too_long"), ("slow", "timeout")])
async def test_hostile_answers(hostile: str, path: str, code: str) -> None:
    """100 MB of body or head, and a byte a second, end within the bounds with their code and leave no memory behind."""
    client = HttpClient(reactor, timeout=2.0)
    before = resident()
    try:
        for _ in range(1 if path == "slow" else 5):
            with pytest.raises(InspectionError) as caught:
                await client.post(f"{hostile}/{path}", b"<x/>", {})
            assert caught.value.code == code
    finally:
        await client.close()
    assert resident() - before < 16 << 20


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("path", ["body", "head", "slow"])
async def test_hostile_device(hostile: str, path: str) -> None:
    """An announced device that answers so is one fault of one inspection."""
    candidate = Candidate("dev", "127.0.0.1", xaddrs=(f"{hostile}/{path}",))
    with pytest.raises(InspectionError) as caught:
        await inspector(timeout=2.0).inspect(candidate, RIGHT)
    assert isinstance(caught.value, Unreachable) == (path == "slow")


@pytest_twisted.ensureDeferred
async def test_certificate(tmp_path: Path) -> None:
    """A certificate of nobody's is accepted, and its fingerprint is evidence; a login goes as a digest."""
    pair = Authority(tmp_path, "nobody").issue("camera")
    certificate: X509 = load_certificate(FILETYPE_PEM, pair.certificate.read_bytes())
    key: PKey = load_privatekey(FILETYPE_PEM, pair.key.read_bytes())
    async with camera(auth=Auth.DIGEST) as (one, candidate):
        options = CertificateOptions(privateKey=key, certificate=certificate)
        port = reactor.listenSSL(0, site(one.onvif.answer, reactor=reactor), options, interface="127.0.0.1")
        try:
            url = f"https://127.0.0.1:{port.getHost().port}/onvif/device_service"
            inspection = await inspector().inspect(replace(candidate, xaddrs=(url,)), RIGHT)
        finally:
            await port.stopListening()
    assert isinstance(inspection, Inspection)
    assert complete(inspection)
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())
    said = {item.kind: item.value for item in inspection.evidence}
    assert said[EvidenceKind.CERTIFICATE] == hashlib.sha256(der).hexdigest()
