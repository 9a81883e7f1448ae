"""A login that is sent and not answered may have been counted by the device: it is charged for each time."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from ipaddress import ip_network
from itertools import product
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.rtsp_camera import Camera, result_of
from tests.facts import A, candidate, login
from tests.inspection.scripted_camera import ScriptedCamera
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.detector.login_attempt import attempt_login, single_use
from twisted_detector.errors import LoginWithheld, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.http.client import HttpResponse, KeptConnectionClosed
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.inspection.onvif.inspector import OnvifInspector
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.model import Login
from twisted_detector.testing.doubles import ScriptedValidator

ONE, TWO, THREE = login("one", "canary-1"), login("two", "canary-2"), login("admin", "secret")
ADDRESS = "192.0.2.9"
DEVICE = candidate(ADDRESS, A, xaddrs=(f"http://{ADDRESS}/onvif/device_service",), rtsp_ports=(554,))
NOT_TIME = "Wsse authorized time check failed"


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000.0)
        self.saved: dict[str, str] = {}
        self.budget = self.open_budget()

    def open_budget(self) -> LoginBudget:
        budget = LoginBudget([ONE, TWO, THREE], salt="s", save=self.saved.__setitem__)
        budget.restore(self.saved)
        return budget

    def names(self, **device: Any) -> list[str]:
        return [one.name for one in self.budget.allowed_logins(candidate(ADDRESS, **device), self.clock.seconds())]


class PermitTests(Case):
    """What one attempt may do with the login that it was lent."""

    def lend(self, attempt: Any, given: Login = ONE) -> Any:
        outcome, _ = result_of(self.clock, attempt_login(self.budget, self.clock, DEVICE, given, attempt))
        return outcome

    def test_again_is_one_failure_more(self) -> None:
        """After silence a login may be sent once more, and then nothing else is, whatever came of it."""

        async def twice(given: Login) -> bool:
            given.password.reveal()
            await given.acquire_permit()
            over = await self.budget.charge(DEVICE, TWO, self.clock.seconds())
            assert over is not None
            self.budget.refund(DEVICE, TWO)
            over()
            await given.acquire_permit()
            late.append(Deferred.fromCoroutine(self.budget.charge(DEVICE, TWO, self.clock.seconds())))
            self.assertNoResult(late[0])
            raise Unauthorized("no", attempted=True)

        late: list[Deferred[Any]] = []
        with self.assertRaises(Unauthorized):
            self.lend(twice)
        self.assertIsNone(self.successResultOf(late[0]))
        self.assertEqual([], self.names(mac=A))
        self.budget = self.open_budget()
        self.assertEqual([], self.names(mac=A))
        self.clock.advance(WINDOW)
        self.assertEqual(["two", "admin"], self.names(mac=A))

    def test_no_room(self) -> None:
        """Where one failure is left to be had it was taken by the first time: there is no second."""

        async def refused(given: Login) -> bool:
            given.password.reveal()
            await given.acquire_permit()
            raise Unauthorized("no", attempted=True)

        async def twice(given: Login) -> bool:
            given.password.reveal()
            await given.acquire_permit()
            await given.acquire_permit()
            return True

        with self.assertRaises(Unauthorized):
            self.lend(refused)
        with self.assertRaises(LoginWithheld):
            self.lend(twice, TWO)
        self.assertEqual([], self.names(mac=A))

    def test_let_in(self) -> None:
        """What was let in may be sent as often as there are questions, and takes back what was charged."""

        async def let_in(given: Login) -> bool:
            for _ in range(2):
                await given.acquire_permit()
            given.report_accepted()
            for _ in range(9):
                await given.acquire_permit()
            return True

        self.assertTrue(self.lend(let_in))
        self.assertEqual(["one", "two"], self.names(mac=A))

    def test_what_works_is_sent_again_without_room(self) -> None:
        """One that was let in a moment ago is sent though another was refused, but not again without an answer."""

        async def works(given: Login) -> bool:
            await given.acquire_permit()
            given.password.reveal()
            given.report_accepted()
            return True

        async def refused(given: Login) -> bool:
            given.password.reveal()
            raise Unauthorized("no", attempted=True)

        async def closes(given: Login) -> bool:
            given.password.reveal()
            await given.acquire_permit()
            with self.assertRaises(LoginWithheld):
                await given.acquire_permit()
            raise Unauthorized("no", attempted=True)

        with self.assertRaises(Unauthorized):
            self.lend(refused)
        self.lend(works, TWO)
        with self.assertRaises(Unauthorized):
            self.lend(closes, TWO)
        self.assertEqual([], self.names(mac=A))

    def test_an_answer_is_no_proof(self) -> None:
        """A device that calls every nonce stale, or answers all with faults, is not sent it a third time."""

        async def answered(given: Login) -> bool:
            given.password.reveal()
            for _ in range(2):
                await given.acquire_permit()
            with self.assertRaises(LoginWithheld):
                await given.acquire_permit()
            return True

        self.lend(answered)
        self.assertEqual([], self.names(mac=A))

    def test_answers_after_the_proof(self) -> None:
        """Once it was let in it goes with every question that is answered; silence costs a failure again."""

        async def works(given: Login) -> bool:
            await given.acquire_permit()
            given.password.reveal()
            given.report_accepted()
            for _ in range(9):
                await given.acquire_permit()
            given.report_unanswered()
            await given.acquire_permit()
            given.report_unanswered()
            with self.assertRaises(LoginWithheld):
                await given.acquire_permit()
            return True

        self.lend(works)
        self.assertEqual(["one", "two"], self.names(mac=A))

    def test_several_at_once(self) -> None:
        """However many send a login that was right a moment ago: two may be on their way, and each refusal counts."""

        async def works(given: Login) -> bool:
            await given.acquire_permit()
            given.password.reveal()
            given.report_accepted()
            return True

        sent: list[Deferred[None]] = []

        async def waits(given: Login) -> bool:
            await given.acquire_permit()
            given.password.reveal()
            answer: Deferred[None] = Deferred()
            sent.append(answer)
            await answer
            raise Unauthorized("no", attempted=True)

        self.lend(works)
        running = [Deferred.fromCoroutine(attempt_login(self.budget, self.clock, DEVICE, ONE, waits)) for _ in range(5)]
        self.assertEqual(2, len(sent))
        for late in running[2:]:
            self.assertNoResult(late)
        for answer, one in zip(sent, running, strict=False):
            answer.callback(None)
            self.failureResultOf(one, Unauthorized)
        for late in running[2:]:
            self.assertFalse(self.failureResultOf(late, Unauthorized).value.attempted)
        self.assertEqual(2, len(sent))
        self.assertEqual([], self.names(mac=A))

    def test_refused_while_it_waits_for_its_turn(self) -> None:
        """What was allowed a while ago is not sent any more when the login was refused since."""

        async def works(given: Login) -> bool:
            await given.acquire_permit()
            given.password.reveal()
            given.report_accepted()
            return True

        turn: Deferred[None] = Deferred()

        async def waits(given: Login) -> bool:
            await turn
            await given.acquire_permit()
            return True

        async def refused(given: Login) -> bool:
            await given.acquire_permit()
            given.password.reveal()
            raise Unauthorized("no", attempted=True)

        self.lend(works)
        waiting = Deferred.fromCoroutine(attempt_login(self.budget, self.clock, DEVICE, ONE, waits))
        with self.assertRaises(Unauthorized):
            self.lend(refused)
        turn.callback(None)
        self.failureResultOf(waiting, LoginWithheld)

    def test_what_had_worked(self) -> None:
        """It is not charged the first time, and counts while it is under way; silence is not held against it."""

        async def works(given: Login) -> bool:
            await given.acquire_permit()
            given.password.reveal()
            given.report_accepted()
            return True

        async def silent(given: Login) -> bool:
            given.password.reveal()
            await given.acquire_permit()
            await given.acquire_permit()
            with self.assertRaises(LoginWithheld):
                await given.acquire_permit()
            raise Unreachable("no answer")

        self.lend(works)
        with self.assertRaises(Unreachable):
            self.lend(silent)
        self.assertEqual(["one", "two"], self.names(mac=A))

    def test_once(self) -> None:
        """For a picture a login is sent once, and more often only after it was let in."""
        lent = single_use(ONE)
        result_of(self.clock, lent.acquire_permit())
        with self.assertRaises(LoginWithheld):
            result_of(self.clock, lent.acquire_permit())
        lent.report_accepted()
        result_of(self.clock, lent.acquire_permit())

    def test_on_the_disk_first(self) -> None:
        """It is not sent again before that is kept; where nothing can be kept it is not sent again."""
        written: Deferred[None] = Deferred()
        kept = True
        saves: list[str] = []

        def save(_: str, text: str) -> Deferred[None]:
            saves.append(text)
            return written if len(saves) == 2 else succeed(None)

        self.budget = LoginBudget([ONE, TWO], salt="s", save=save, kept=lambda: kept)
        self.assertTrue(result_of(self.clock, self.budget.charge(DEVICE, ONE, self.clock.seconds())))
        again = Deferred.fromCoroutine(self.budget.charge_again(DEVICE, ONE, self.clock.seconds()))
        self.assertNoResult(again)
        kept = False
        written.callback(None)
        self.assertFalse(self.successResultOf(again))

    def test_a_mac_that_is_not_seen_for_a_while(self) -> None:
        """A device whose MAC is not there yet has no new chance at the address where it was given logins."""

        async def refused(given: Login) -> bool:
            given.password.reveal()
            raise Unauthorized("no", attempted=True)

        def budget() -> LoginBudget:
            made = LoginBudget(
                [ONE, TWO], confirmed=lambda: [ip_network("192.0.2.0/24")], salt="s", save=self.saved.__setitem__
            )
            made.restore(self.saved)
            return made

        self.budget = budget()
        with self.assertRaises(Unauthorized):
            self.lend(refused)
        for _ in range(2):
            self.assertEqual(["two"], self.names(mac=None))
            self.budget = budget()


class Silent(ScriptedCamera):
    """Counts every login that reaches it, and answers each of the first with one of its manners."""

    manners: tuple[str, ...] = ()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        before = len(self.logins)
        answer = await super().post(url, body, headers)
        if len(self.logins) == before or self.logins[-1] == "right":
            return answer
        manner = self.manners[(len(self.logins) - 1) % len(self.manners)]
        if manner == "silence":
            raise Unreachable("no answer within 5 seconds")
        if manner == "closes":
            raise KeptConnectionClosed("the device closed a kept connection")
        if manner == "garbage":
            raise Malformed("an answer that is not HTTP")
        if manner == "forbids":
            return HttpResponse(403, (), b"<html>Forbidden</html>")
        return answer


class VisitTests(Case):
    """No manner of a camera makes a wrong login reach it more than twice in half an hour."""

    def visit(self, inspector: Any) -> None:
        visit = InspectionSession(self.clock, DEVICE, validator=ScriptedValidator(), budget=self.budget)
        with contextlib.suppress(Unreachable, Malformed):
            result_of(self.clock, visit.inspect(inspector), wait=12)

    def test_onvif(self) -> None:
        """Over ONVIF: silence, a closed connection, bytes that are no HTTP, 403, and a clock that is off."""
        manners = ("refuses", "silence", "closes", "garbage", "forbids")
        for auth, refusal, pair in product(("digest", "wsse"), ("no", NOT_TIME), product(manners, repeat=2)):
            self.setUp()
            camera = Silent(self.clock.seconds, auth=auth, password="canary-9", said_skew=3600.0, refusal=refusal)
            camera.manners = pair
            for _ in range(4):
                inspector = OnvifInspector(
                    self.clock,
                    lambda camera=camera: camera,  # type: ignore[misc]
                    random=lambda size: base64.b64encode(b"r" * size)[:size],
                    monotonic=self.clock.seconds,
                )
                self.visit(inspector)
                self.budget = self.open_budget()  # as after kill -9
            self.assertIn(camera.logins, (["wrong"], ["wrong"] * 2), (auth, refusal, pair))

    def test_rtsp(self) -> None:
        """Over RTSP: silence, a closed connection, 403."""

        def wrong(request: Any, otherwise: Any) -> Any:
            if not request.header("Authorization"):
                return b'RTSP/1.0 401 No\r\nCSeq: %d\r\nWWW-Authenticate: Digest realm="a", nonce="b"\r\n\r\n' % (
                    request.cseq
                )
            self.wrong += 1
            return otherwise

        for otherwise in (None, "close", b"RTSP/1.0 403 No\r\n\r\n"):
            self.setUp()
            self.wrong = 0
            camera = Camera(self.clock, login_first=True)
            camera.script["DESCRIBE"] = lambda request, otherwise=otherwise: wrong(request, otherwise)
            for _ in range(4):
                self.visit(RtspInspector(self.clock, timeout=1, connect=camera, random_path=lambda: "/random"))
                self.budget = self.open_budget()
            self.assertIn(self.wrong, (1, 2), otherwise)
