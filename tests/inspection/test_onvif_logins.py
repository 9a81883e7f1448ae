"""Logins of ONVIF inspections: when one is sent, what a refusal means, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_onvif import ADDRESS, ADMIN, ANNOUNCED, WRONG, XADDR, Base
from twisted_detector.errors import Unreachable
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.onvif.responses import NotAnOnvifAnswer
from twisted_detector.inspection.onvif.session import OnvifSession
from twisted_detector.model import EvidenceKind, Login, Secret, Status
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.wire.onvif import requests


class Changing(ScriptedCamera):
    """Its password changes after so many right logins."""

    moment = 0

    async def post(self, url: str, body: bytes, headers: Any) -> HttpResponse:
        if self.logins.count("right") == self.moment:
            self.password = "another"
        return await super().post(url, body, headers)


class Stingy:
    """A permit that is given until something was not answered."""

    permitted = True

    async def acquire(self, realm: str = "") -> bool:
        return self.permitted

    def accepted(self, scheme: str = "") -> None:
        """Nothing follows."""

    def unanswered(self) -> None:
        self.permitted = False


class Logins(Base):
    def test_needed(self) -> None:
        """Without a login a protected camera gives what it tells everybody, and the reason."""
        for auth in ("digest", "wsse", "basic"):
            camera = self.camera(auth=auth)
            inspection = self.inspect(camera)
            self.assertEqual(inspection.status, Status.AUTH_REQUIRED)
            self.assertIn("a login is needed", inspection.reason)
            self.assertEqual(inspection.capabilities, ("media", "events"))
            self.assertEqual([item.kind for item in inspection.evidence], [EvidenceKind.ENDPOINT_REFERENCE])
            self.assertEqual(inspection.clock_offset, 0.0)
            self.assertLessEqual(len(camera.asked), 6)
            self.assertEqual(camera.logins, [])
            self.assertEqual(inspection.name, "eye-1")

    def test_partly_open(self) -> None:
        """A camera that protects only its device information still gives its streams without a login."""
        camera = self.camera(auth="digest")
        camera.pre_auth |= {"GetProfiles", "GetStreamUri", "GetSnapshotUri"}
        inspection = self.inspect(camera)
        self.assertEqual((inspection.status, len(inspection.streams), inspection.model), (Status.ONLINE, 2, ""))

    def test_digest(self) -> None:
        """A camera with HTTP Digest gets one challenge, then only right logins, each with its own count."""
        for algorithm in ("", "MD5", "SHA-256"):
            camera = self.camera(auth="digest", algorithm=algorithm)
            inspection = self.inspect(camera, ADMIN)
            self.assert_whole(inspection)
            self.assertEqual((inspection.login, set(camera.logins)), ("admin", {"right"}))
            headers = [sent.get("Authorization", "") for _, sent in camera.sent]
            counts = [header.partition("nc=")[2][:8] for header in headers if header]
            self.assertEqual(counts, [f"{n:08x}" for n in range(1, len(counts) + 1)])
            self.assertFalse(any(b"UsernameToken" in body for body, _ in camera.sent))

    def test_wsse(self) -> None:
        """A camera with WS-UsernameToken gets fresh tokens, and no Authorization header."""
        camera = self.camera(auth="wsse")
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual((inspection.login, set(camera.logins)), ("admin", {"right"}))
        self.assertFalse(any("Authorization" in headers for _, headers in camera.sent))
        nonces = [body.partition(b"<w:Nonce")[2][:200] for body, _ in camera.sent if b"<w:Nonce" in body]
        self.assertEqual(len(nonces), len(set(nonces)))

    def test_no_login_before_a_challenge(self) -> None:
        """What needs no login is asked without one."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth)
            self.inspect(camera, ADMIN)
            for operation, (body, headers) in zip(camera.asked[:4], camera.sent[:4], strict=True):
                self.assertNotIn("Authorization", headers, operation)
                self.assertNotIn(b"UsernameToken", body)

    def test_refused(self) -> None:
        """A wrong password is tried once, and its refusal ends the inspection."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth)
            error = self.refused(camera, WRONG)
            self.assertEqual((error.attempted, error.locked), (True, False))
            self.assertEqual(camera.logins, ["wrong"], auth)
            self.assertEqual(camera.closed, 1)
            self.assertNotIn("hunter2", str(error))

    def test_our_request_sent_back(self) -> None:
        """What a server sends back of a request is no answer: it shows neither a service nor a login that it took."""
        challenge = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="n", qop="auth"'),), b"")
        camera = self.camera()
        react = camera._react

        def echo(url: str, body: bytes, headers: Any) -> HttpResponse:
            react(url, body, headers)
            wanted = "Authorization" not in headers and b"GetScopes" in body
            return challenge if wanted else HttpResponse(200, (), body)

        camera._react = echo  # type: ignore[method-assign]
        session = OnvifSession(
            camera, ADDRESS, login=ADMIN, allow_basic=False, random=self.random, now=self.clock.seconds
        )
        for request in (requests.get_services(), requests.get_scopes()):
            called = Deferred.fromCoroutine(session.call(XADDR, request))
            problem = self.failureResultOf(called, NotAnOnvifAnswer).value
            self.assertEqual("our own request, sent back", str(problem))
        self.assertEqual((camera.sent[-1][1].get("Authorization", "")[:6], camera.asked[-1]), ("Digest", "GetScopes"))
        self.assertEqual((session.accepted, session.known.soap), (False, set()))

    def test_hangs_up_on_a_login(self) -> None:
        """A device that hangs up on a login that it did not accept yet gets it as often as one that falls silent."""
        for auth in ("digest", "wsse"):
            for code in ("closed", ""):
                camera = self.camera(auth=auth)
                camera._refuse = self.hanging_up(camera, Unreachable("gone", code=code))  # type: ignore[method-assign]
                self.failureResultOf(self.start(camera, WRONG, ANNOUNCED), Unreachable)
                self.assertEqual(camera.logins, ["wrong"] * 2, (auth, code))

    def hanging_up(self, camera: ScriptedCamera, error: Unreachable) -> Callable[[bytes, str], HttpResponse | None]:
        """A check of logins that raises where there is one."""
        refuse = camera._refuse

        def check(body: bytes, header: str) -> HttpResponse | None:
            refused = refuse(body, header)
            if header or b"UsernameToken" in body:
                raise error
            return refused

        return check

    def test_attempts_left(self) -> None:
        """A device that counts is believed, however many are left: nothing follows a refusal, nor a first question."""
        camera = self.camera(auth="wsse", refusal="You still have 26 attempt(s)")
        camera.script["GetDeviceInformation"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, error.locked, camera.logins), (True, True, ["wrong"]))
        self.assertIn("the login was refused, and the device counts the attempts", str(error))
        camera = self.camera(auth="wsse", refusal="You still have 26 attempt(s)")
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, error.locked, camera.logins), (False, True, []))

    def test_password_changed_meanwhile(self) -> None:
        """A device that let a login in and then counts down has another password now: it is not asked on."""
        for auth, status in (("wsse", 400), ("digest", 401)):
            camera = self.camera(auth=auth)
            headers = (("WWW-Authenticate", 'Digest realm="cam", nonce="new", qop="auth"'),) if status == 401 else ()
            counting = HttpResponse(status, headers, onvif_answers.not_authorized("You still have 3 attempt(s)"))
            first = [HttpResponse(401, headers)] if status == 401 else []
            camera.script["GetProfiles"] = [*first, *[counting] * 4]
            error = self.refused(camera, ADMIN)
            self.assertEqual((error.attempted, error.locked), (True, True))
            self.assertEqual(("GetProfiles", 1 + len(first)), (camera.asked[-1], camera.asked.count("GetProfiles")))

    def test_warned_before_it_was_sent(self) -> None:
        """A device that counts down when it is asked for a challenge ends the inspection too."""
        camera = self.camera(auth="digest")
        camera.script["GetProfiles"] = [HttpResponse(401, (), b"You still have 3 attempt(s)")]
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, error.locked, camera.asked[-1]), (False, True, "GetProfiles"))

    def test_warned_in_other_places(self) -> None:
        """A device may count or lock in the status line, in a body that is no SOAP, or with a 403."""
        for status, reason, body in (
            (401, "Unauthorized: 24 attempts left", b""),
            (401, "Unauthorized", b"<html>You still have 5 attempt(s)</html>"),
            (403, "Forbidden", b"Illegal Login Lock"),
            (403, "Locked for 30 minutes", b"<html></html>"),
            (401, "5 attempts left", onvif_answers.not_authorized()),
        ):
            camera = self.camera(auth="digest")
            challenge = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="a", qop="auth"'),), b"")
            said = HttpResponse(status, challenge.headers, body, reason=reason)
            camera.script["GetDeviceInformation"] = [challenge, said]
            error = self.refused(camera, ADMIN)
            self.assertEqual((error.attempted, error.locked), (True, True), reason)
            self.assertEqual(2, camera.asked.count("GetDeviceInformation"))

    def test_password_changed_at_any_moment(self) -> None:
        """Whenever a password changes while a silent camera is asked: a refused question, told, and none after it.

        With Digest it is asked twice at most, for it may have been the nonce.
        """
        for auth in ("digest", "wsse", "basic"):
            for moment in range(1, 9):
                camera = Changing(self.clock.seconds, auth=auth)
                camera.moment = moment
                inspection = self.inspect(camera, ADMIN, allow_basic=lambda candidate: True)
                self.assertEqual(inspection.login, "admin")
                whole = moment >= camera.logins.count("right") and "wrong" not in camera.logins
                refused = camera.logins[moment:]
                self.assertEqual([] if whole else ["wrong"] * len(refused), refused, (auth, moment))
                self.assertLessEqual(len(refused), 2 if auth == "digest" else 1)
                self.assertEqual(not whole, inspection.doubted)
                if len(inspection.streams) < 2:
                    self.assertIs(Status.AUTH_REQUIRED, inspection.status)

    def test_locked(self) -> None:
        """A device that says it is locked gets no credential at all."""
        camera = self.camera(auth="wsse", refusal="The account is locked for 30 minutes")
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, error.locked, camera.logins), (False, True, []))

    def test_basic(self) -> None:
        """A password is said in clear only where that is allowed."""
        camera = self.camera(auth="basic")
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, camera.logins), (False, []))
        camera = self.camera(auth="basic")
        self.assert_whole(self.inspect(camera, ADMIN, allow_basic=lambda candidate: candidate.address == ADDRESS))

    def test_unauthorized_without_challenge(self) -> None:
        """A 401 without a challenge but with a SOAP fault means the token."""
        camera = self.camera(auth="wsse")
        camera.script["GetDeviceInformation"] = [HttpResponse(401, (), onvif_answers.not_authorized())]
        self.assert_whole(self.inspect(camera, ADMIN))

    def test_stale(self) -> None:
        """A nonce that is used up is replaced, which is no failed login, even at the first use."""
        camera = self.camera(auth="digest", nonce_uses=2)
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertNotIn("wrong", camera.logins)
        self.assertIn("stale", camera.logins)
        camera = self.camera(auth="digest", stated=("digest",))
        old = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="old", qop="auth"'),), b"")
        camera.script["GetDeviceInformation"] = [old]
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(camera.logins[:2], ["stale", "right"])

    def test_expired_without_saying_so(self) -> None:
        """A nonce that expires unsaid is replaced once; from then on each question asks for its own."""
        for uses in (1, 3):
            camera = self.camera(auth="digest", nonce_uses=uses, stale=False)
            inspector = self.inspector(camera)
            for _ in range(2):
                found = self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN)))
                self.assert_whole(found)
                self.assertFalse(found.doubted)
            self.assertEqual(1, camera.logins.count("stale"), camera.logins)
            self.assertNotIn("wrong", camera.logins)

    def test_expired_and_no_room(self) -> None:
        """Where no failure more may be risked, the inspection ends in doubt, and the next takes new nonces."""
        permit = Stingy()
        camera = self.camera(auth="digest", nonce_uses=3, stale=False)
        inspector = self.inspector(camera)
        first = self.successResultOf(
            Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, Login("admin", Secret("secret"), permit=permit)))
        )
        self.assertEqual((Status.AUTH_REQUIRED, True), (first.status, first.doubted))
        self.assert_whole(self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN))))
        self.assertEqual(1, camera.logins.count("stale"))

    def test_never_ending_stale(self) -> None:
        """A device that calls every nonce stale is given up after one more try; it said nothing of the password."""
        camera = self.camera(auth="digest", nonce_uses=0)
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, error.unsure, camera.logins), (False, True, ["stale", "stale"]))

    def test_wrong_after_another_fault(self) -> None:
        """A fault about something else does not prove the login: the refusal after it is the last attempt."""
        camera = self.camera(auth="digest", stale=False)
        challenge = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="nonce0", qop="auth"'),), b"")
        camera.script["GetDeviceInformation"] = [challenge, HttpResponse(500, (), onvif_answers.action_not_supported())]
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, camera.logins), (True, ["wrong"]))

    def test_forbidden_operation(self) -> None:
        """A user without the right to one operation loses that fact only."""
        camera = self.camera(auth="wsse")
        camera.script["GetNetworkInterfaces"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual((inspection.login, inspection.doubted), ("admin", True))
        self.assertEqual("GetNetworkInterfaces", camera.asked[-1])

    def test_forbidden_beyond_http(self) -> None:
        """Where HTTP lets a login in and SOAP refuses, it is about rights: no failure, and the rest is asked."""
        camera = self.camera(auth="digest")
        challenge = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="nonce0", qop="auth"'),), b"")
        camera.script["GetProfiles"] = [challenge, HttpResponse(400, (), onvif_answers.not_authorized())]
        inspection = self.inspect(camera, ADMIN)
        self.assertEqual((inspection.status, inspection.doubted), (Status.AUTH_REQUIRED, False))
        self.assertEqual("GetScopes", camera.asked[-1])
        self.assertNotIn("wrong", camera.logins)

    def test_forbidden_profiles(self) -> None:
        """A user who may not see the profiles is told so, and the login does not count as wrong."""
        camera = self.camera(auth="wsse")
        camera.script["GetProfiles"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        inspection = self.inspect(camera, ADMIN)
        self.assertEqual((inspection.status, inspection.model), (Status.AUTH_REQUIRED, "Eye 1"))
        self.assertIn("no right", inspection.reason)

    def test_everything_protected(self) -> None:
        """A device that protects even the public questions (Axis) is inspected with a login, and named without."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth, pre_auth=set())
            inspection = self.inspect(camera, ADMIN)
            self.assert_whole(inspection)
            self.assertNotIn("wrong", camera.logins)
            self.assertIsNone(inspection.clock_offset)
            self.assertEqual(self.inspect(self.camera(auth=auth, pre_auth=set())).status, Status.AUTH_REQUIRED)
