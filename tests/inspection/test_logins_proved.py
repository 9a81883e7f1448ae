"""Whatever a device opens and closes, a wrong login reaches it twice in half an hour at most: it counts for itself."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_camera import SDP, Camera as RtspCamera, result_of
from tests.facts import A, candidate, login
from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_snapshot import PAINTED, image
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.detector.login_attempt import attempt_for_purpose
from twisted_detector.errors import InspectionError
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.http.client import HttpResponse, SinkFor
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.history import MAX_FAILURES, WINDOW
from twisted_detector.inspection.onvif.inspector import LoginPolicy, OnvifInspector
from twisted_detector.inspection.pictures.snapshot import SnapshotTaker
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Adoption, Camera, Inspection, Login, Proof, Stream
from twisted_detector.testing.doubles import ScriptedValidator
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.testing.simulator.wire.digest import format_challenge, verify
from twisted_detector.testing.simulator.wire.soap import parse_request, verify_username_token
from twisted_detector.wire.http import digest

ADDRESS = "192.0.2.9"
DEVICE = candidate(
    ADDRESS,
    A,
    xaddrs=(f"http://{ADDRESS}/onvif/device_service",),
    rtsp_ports=(554,),
    adoption=Adoption.PERSON,
)
WRONG = (login("admin", "canary-1"), login("root", "canary-2"), login("admin", "canary-3"))
RIGHT = login("admin", "secret")
OPERATIONS = (
    "GetServices",
    "GetCapabilities",
    "GetEndpointReference",
    "GetHostname",
    "GetScopes",
    "GetDeviceInformation",
    "GetNetworkInterfaces",
    "GetProfiles",
)
SCHEMES = ("digest", "wsse", "basic", "both")
#: Moments of an hour at which a device is looked at: at its Hellos, at checks, after restarts (R).
MOMENTS = (0, 8, "R", 9, 300, "R", 1799, 1808, "R", 2700, 3590)


class Ledger:
    """What an account counts: when it was shown a wrong login, whatever was asked with it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.failures: list[float] = []

    def count(self) -> None:
        self.failures.append(self.clock.seconds())

    def most(self) -> int:
        """The most in any window."""
        return max((sum(at <= one < at + WINDOW for one in self.failures) for at in self.failures), default=0)


class Account(ScriptedCamera):
    """A camera that counts every wrong login that reaches it, with an open operation too.

    :ivar manners: operation → what comes in answer to a wrong login there.
    :ivar lenient: closed operations that any login opens, right or wrong; there it is not counted.
    """

    ledger: Ledger
    manners: Mapping[str, HttpResponse] = {}
    lenient: frozenset[str] = frozenset()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        passwords = {"admin": self.password}.get
        request, header = parse_request(body), headers.get("Authorization", "")
        wrong = bool(header) and not verify(header, "POST", passwords)
        if request.header is not None:
            wrong = not verify_username_token(request.header, passwords, now=self.now(), window=self.window)
        if wrong and request.operation in self.lenient:
            return self._answer(request.operation, request.namespace, "")
        if wrong:
            self.ledger.count()
            if request.operation in self.manners:
                return self.manners[request.operation]
        return await super().post(url, body, headers)

    def _refuse(self, body: bytes, header: str) -> HttpResponse | None:
        if self.auth != "both":
            return super()._refuse(body, header)
        passwords = {"admin": self.password}.get
        security = parse_request(body).header
        if security is not None and verify_username_token(security, passwords, now=self.now(), window=self.window):
            return None
        if header and verify(header, "POST", passwords):
            return None
        asked = format_challenge(digest.Challenge("digest", "cam", "nonce", qop="auth"))
        return HttpResponse(401, (("WWW-Authenticate", asked),), onvif_answers.not_authorized())


class Case(SynchronousTestCase):
    logins: Sequence[Login] = WRONG

    def start(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000.0)
        self.saved: dict[str, str] = {}
        self.ledger = Ledger(self.clock)
        self.restart()

    def restart(self) -> None:
        """As after kill -9: what was saved is there, nothing else."""
        self.budget = LoginBudget(self.logins, salt="s", save=self.saved.__setitem__)
        self.budget.restore(self.saved)

    def camera(self, **said: Any) -> Account:
        camera = Account(self.clock.seconds, **said)
        camera.ledger = self.ledger
        return camera

    def inspector(self, camera: ScriptedCamera) -> OnvifInspector:
        return OnvifInspector(
            self.clock,
            lambda: camera,
            random=lambda size: b"r" * size,
            monotonic=self.clock.seconds,
            logins=LoginPolicy(
                allow_basic=lambda candidate: True,
                login_follows=lambda candidate: bool(self.budget.allowed_logins(candidate, self.clock.seconds())),
            ),
        )

    def visit(self, inspector: OnvifInspector) -> Inspection | None:
        session = InspectionSession(self.clock, DEVICE, validator=ScriptedValidator(), budget=self.budget)
        outcome: list[Any] = []
        Deferred.fromCoroutine(session.inspect(inspector)).addBoth(outcome.append)
        if isinstance(outcome[0], Failure):
            outcome[0].trap(InspectionError)
            return None
        inspection: Inspection | None = outcome[0]
        return inspection

    def hour(self, camera: Account, moments: Sequence[int | str] = MOMENTS) -> None:
        inspector, began = self.inspector(camera), self.clock.seconds()
        for moment in moments:
            if isinstance(moment, str):
                self.restart()
                inspector = self.inspector(camera)
            else:
                self.clock.advance(began + moment - self.clock.seconds())
                self.visit(inspector)


class EverySubset(Case):
    """Each subset of the operations open, in each scheme of logins, for an hour with restarts."""

    def run_through(self, scheme: str) -> None:
        for size in range(len(OPERATIONS) + 1):
            for opened in combinations(OPERATIONS, size):
                self.start()
                camera = self.camera(auth=scheme, pre_auth={"GetSystemDateAndTime", *opened})
                self.hour(camera)
                self.assertLessEqual(self.ledger.most(), MAX_FAILURES, (scheme, opened, self.ledger.failures))
                self.assertTrue(self.ledger.failures, (scheme, opened))

    def test_digest(self) -> None:
        """HTTP Digest."""
        self.run_through("digest")

    def test_wsse(self) -> None:
        """WS-UsernameToken."""
        self.run_through("wsse")

    def test_basic(self) -> None:
        """HTTP Basic, where it is allowed."""
        self.run_through("basic")

    def test_both(self) -> None:
        """A challenge and a SOAP fault at once, and either way in."""
        self.run_through("both")


class Rude(Case):
    """What is not in the subsets: odd answers to a wrong login, and operations that any login opens."""

    def test_odd_answers(self) -> None:
        """A wrong login is answered with another fault, with bytes, with 403, a redirect, or nothing to read."""
        answers = (
            HttpResponse(500, (), onvif_answers.action_not_supported()),
            HttpResponse(500, (), b"Internal Server Error"),
            HttpResponse(403, (), b"<html>Forbidden</html>"),
            HttpResponse(302, (("Location", "/login.html"),), b""),
            HttpResponse(503, (), b""),
            HttpResponse(200, (), b"<html>Log in</html>"),
        )
        for answer, scheme in product(answers, SCHEMES):
            self.start()
            camera = self.camera(auth=scheme)
            camera.manners = dict.fromkeys((*OPERATIONS, "GetStreamUri", "GetSnapshotUri"), answer)
            self.hour(camera)
            self.assertLessEqual(self.ledger.most(), MAX_FAILURES, (scheme, answer, self.ledger.failures))

    def test_what_any_login_opens(self) -> None:
        """A wrong login that opens some questions is no right one: what the others count stays within the bound."""
        for scheme, size in product(SCHEMES, (1, 2)):
            for lenient in combinations(("GetDeviceInformation", "GetProfiles", "GetScopes", "GetServices"), size):
                self.start()
                camera = self.camera(auth=scheme, pre_auth={"GetSystemDateAndTime"})
                camera.lenient = frozenset(lenient)
                self.hour(camera)
                self.assertLessEqual(self.ledger.most(), MAX_FAILURES, (scheme, lenient, self.ledger.failures))

    def test_a_right_is_missing(self) -> None:
        """A user who may not ask one thing is refused there once, and entered as before for the rest of the hour."""
        self.logins = (RIGHT,)
        for scheme in ("digest", "wsse"):
            self.start()
            camera = self.camera(auth=scheme)
            camera.script["GetNetworkInterfaces"] = [HttpResponse(400, (), onvif_answers.not_authorized())] * 99
            inspector = self.inspector(camera)
            for _ in range(12):
                inspection = self.visit(inspector)
                assert inspection is not None
                self.assertEqual(("admin", 2), (inspection.login, len(inspection.streams)), scheme)
                self.clock.advance(300)


class RtspAndPictures(Case):
    """RTSP and snapshots of one device, which has one account for both."""

    def start(self) -> None:
        super().start()
        self.password = "canary-0"
        self.closed: frozenset[str] = frozenset()
        self.scheme = "digest"
        self.rtsp = RtspCamera(self.clock, paths={"/live": SDP}, media=[b"\x41" + bytes(40)] * 3, marked=True)
        for method in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY"):
            self.rtsp.script[method] = self.answer_rtsp
        self.locks = DeviceLocks()
        self.login: Login | None = None

    def judge(self, header: str, method: str) -> bool:
        """Whether a header has the right login; a wrong one is counted."""
        if not header:
            return False
        right = verify(header, method, {"admin": self.password}.get)
        if not right:
            self.ledger.count()
        return right

    def challenge(self) -> str:
        return format_challenge(digest.Challenge(self.scheme, "cam", "nonce", qop="auth"))

    def answer_rtsp(self, request: Any) -> Any:
        right = self.judge(request.header("Authorization"), request.method)
        if right or request.method not in self.closed:
            return "as usual"
        return (
            f"RTSP/1.0 401 Unauthorized\r\nCSeq: {request.cseq}\r\nWWW-Authenticate: {self.challenge()}\r\n\r\n"
        ).encode()

    async def get(self, url: str, headers: Mapping[str, str], *, sink_for: SinkFor) -> HttpResponse:
        right = self.judge(headers.get("Authorization", ""), "GET")
        if right or "snapshot" not in self.closed:
            return image(PAINTED)
        return HttpResponse(401, (("WWW-Authenticate", self.challenge()),))

    async def close(self) -> None:
        """As of an HTTP client."""

    def restart(self) -> None:
        super().restart()
        self.login = None

    async def look(self) -> None:
        """One inspection with its streams, a routine check, and a picture."""
        validator = RtspValidator(
            self.clock,
            timeout=2.0,
            prove=Proof.RTP,
            allow_basic=lambda _: True,
            connect=self.rtsp,
            device_locks=self.locks,
        )
        inspector = RtspInspector(
            self.clock,
            timeout=1.0,
            allow_basic=lambda _: True,
            connect=self.rtsp,
            random_path=lambda: "/random",
            device_locks=self.locks,
        )
        known = replace(DEVICE, known_urls=(f"rtsp://{ADDRESS}:554/live",))
        session = InspectionSession(self.clock, known, validator=validator, budget=self.budget)
        streams: Sequence[Stream] = ()
        with contextlib.suppress(InspectionError):
            inspection = await session.inspect(inspector)
            streams = await session.prove_all(inspection.streams) if inspection is not None else ()
        self.login = session.login or self.login
        for _ in range(2):
            await self.take_picture()
            check = InspectionSession(self.clock, known, validator=validator, budget=self.budget)
            allowed = self.budget.allowed_logins(known, self.clock.seconds())
            check.login = self.login if self.login in allowed else None
            for stream in streams:
                await check.prove(stream, cheaply=True)
        await self.take_picture()

    async def take_picture(self) -> None:
        taker = SnapshotTaker(
            self.clock,
            timeout=1.0,
            max_bytes=100_000,
            allow_basic=lambda _: True,
            cnonce=lambda: "0a",
            device_locks=self.locks,
            open_client=lambda: self,
        )
        camera = Camera(id="cam", device_id="dev", address=ADDRESS, snapshot_url=f"http://{ADDRESS}/snap")
        allowed = self.budget.allowed_logins(DEVICE, self.clock.seconds())
        login = self.login if self.login in allowed else None
        with contextlib.suppress(InspectionError):
            now = self.clock.seconds()
            over = await self.budget.charge_purpose(DEVICE, login, now, "snapshot") if login is not None else None
            if login is None or over is None:
                await taker.take(camera, None)
            else:
                await attempt_for_purpose(
                    self.budget, self.clock, DEVICE, login, "snapshot", lambda lent: taker.take(camera, lent), over=over
                )

    def pass_hour(self, *, changes_at: int = 0) -> None:
        began = self.clock.seconds()
        for moment in (1, 60, 300, "R", 301, 900, 1799, "R", 1801, 1900, 3590):
            if isinstance(moment, str):
                self.restart()
                continue
            self.clock.advance(max(0.0, began + moment - self.clock.seconds()))
            if changes_at and moment >= changes_at:
                self.password = "canary-9"
            result_of(self.clock, self.look(), wait=12)

    def every_device(self) -> Any:
        names = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "snapshot")
        for size in range(len(names) + 1):
            for closed, scheme in product(combinations(names, size), ("digest", "basic")):
                self.start()
                self.closed, self.scheme = frozenset(closed), scheme
                yield f"{scheme}, closed: {closed}"

    def test_wrong_logins(self) -> None:
        """None is right."""
        for what in self.every_device():
            self.pass_hour()
            self.assertLessEqual(self.ledger.most(), MAX_FAILURES, (what, self.ledger.failures))

    def test_a_password_that_changes(self) -> None:
        """One is right, until the password is changed in the middle of it all."""
        self.logins = (login("admin", "canary-0"), login("root", "canary-2"))
        for what, at in product(self.every_device(), (60, 300)):
            self.pass_hour(changes_at=at)
            self.assertLessEqual(self.ledger.most(), MAX_FAILURES, (what, at, self.ledger.failures))
