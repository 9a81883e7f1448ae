"""In which way ONVIF devices are given a login, whatever they offer and whatever they take: the right one gets in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from twisted.internet.defer import Deferred

from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_logins_proved import DEVICE, Case
from tests.inspection.test_onvif import ADMIN, ANNOUNCED, WRONG, Base
from twisted_detector.errors import Unauthorized
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.inspection.onvif.inspector import OnvifInspector
from twisted_detector.inspection.onvif.login_schemes import BASIC, DIGEST, TOKEN, ways_for
from twisted_detector.inspection.onvif.responses import LoginRefusal
from twisted_detector.model import Secret
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.testing.simulator.wire.digest import format_challenge, verify
from twisted_detector.testing.simulator.wire.soap import fault_envelope, parse_request, verify_username_token
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.lockout import Lockout

HTML = b"<html><body>401 Unauthorized</body></html>"
MEDIA = "http://192.0.2.9/onvif/media_service"


@dataclass
class Rude(ScriptedCamera):
    """A camera whose challenges and whose ways of taking a login need not agree. ``failures`` is what it counts.

    Its Digest nonces are good for the URL where they were given, and, with ``connection``, only as long as the
    transport that asked for them is open. It counts every login that it does not let in, an old nonce too.

    :ivar takes: of ``token``, ``digest``, ``basic``.
    :ivar offers: the schemes of its challenges; ``body`` and ``status``: what goes with them, None: a SOAP fault.
    """

    takes: tuple[str, ...] = ("token",)
    offers: tuple[str, ...] = ()
    body: bytes | None = None
    status: int = 401
    nonce_seconds: float = 1e9
    uses: int = 1_000_000
    steady: bool = False
    failures: int = 0
    requests_without: int = 0

    def __post_init__(self) -> None:
        self.auth = "rude"
        self._given: dict[str, tuple[str, float, int]] = {}
        self._url = ""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        self._url = url
        return await super().post(url, body, headers)

    async def close(self) -> None:
        await super().close()
        self._given.clear()

    def _refuse(self, body: bytes, header: str) -> HttpResponse | None:
        security = parse_request(body).header
        passwords = {"admin": self.password}.get
        if security is not None and "token" in self.takes:
            if verify_username_token(security, passwords, now=self.now() + self.skew, window=self.window):
                return None
            self.failures += 1
        elif header:
            if self._is_right(header):
                return None
            self.failures += 1
        else:
            self.requests_without += security is None
        return self._challenge()

    def _is_right(self, header: str) -> bool:
        passwords = {"admin": self.password}.get
        if header.startswith("Basic"):
            return "basic" in self.takes and verify(header, "POST", passwords)
        nonce = header.partition('nonce="')[2].partition('"')[0]
        place, at, used = self._given.get(nonce, ("", 0.0, 0))
        self._given[nonce] = (place, at, used + 1)
        fresh = place == self._url and self.now() - at <= self.nonce_seconds and used < self.uses
        return "digest" in self.takes and fresh and verify(header, "POST", passwords)

    def _challenge(self) -> HttpResponse:
        self._nonce += not self.steady
        nonce = f"n{self._nonce}"
        self._given.setdefault(nonce, (self._url, self.now(), 0))
        headers = tuple(
            ("WWW-Authenticate", format_challenge(digest.Challenge(scheme, "cam", nonce, qop="auth")))
            for scheme in self.offers
        )
        body = onvif_answers.not_authorized(self.refusal) if self.body is None else self.body
        return HttpResponse(self.status, headers, body)


class Ways(Base):
    def rude(self, **said: Any) -> Rude:
        return Rude(self.clock.seconds, **said)

    def look_twice(self, camera: Rude, **said: Any) -> None:
        """Two inspections as the daemon makes them: without a login, and with it at once."""
        inspector = self.inspector(camera, login_follows=lambda _: True, **said)
        for _ in range(2):
            self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, None)))
            found = self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN)))
            self.assert_whole(found)
            self.assertEqual("admin", found.login)
            self.clock.advance(300)

    def test_right_the_first_time(self) -> None:
        """Whatever a device offers beside a SOAP fault, and whatever it states of itself, its first login is right."""
        for takes, offers, stated, status in product(
            (("token",), ("digest",), ("token", "digest")),
            ((), ("basic",), ("digest",), ("digest", "basic")),
            ((), ("token",), ("digest",), ("token", "digest")),
            (400, 401, 403, 500),
        ):
            if "token" not in takes and "digest" not in offers:
                continue  # it can be entered by nobody
            if stated and stated[0] not in takes:
                continue  # it lies of itself
            camera = self.rude(takes=takes, offers=offers, stated=stated, status=status)
            self.look_twice(camera)
            self.assertEqual(0, camera.failures, (takes, offers, stated, status))
            self.assertFalse(any(value.startswith("Basic") for _, sent in camera.sent for value in sent.values()))

    def test_http_refuses_without_soap(self) -> None:
        """A 401 that is no SOAP means Digest where it is offered, else the token where SOAP is spoken."""
        for body, offers in product((b"", HTML), ((), ("basic",), ("digest",))):
            camera = self.rude(takes=("token",), offers=offers, body=body)
            self.look_twice(camera)
            self.assertEqual("digest" in offers, camera.failures, (body, offers))
            camera = self.rude(takes=("digest",), offers=("digest",), body=body)
            self.look_twice(camera)
            self.assertEqual(0, camera.failures)

    def test_http_refuses_and_it_states_the_token(self) -> None:
        """What it says of itself comes before what it offers."""
        camera = self.rude(takes=("token",), offers=("digest",), body=HTML, stated=("token",))
        self.look_twice(camera)
        self.assertEqual(0, camera.failures)

    def test_basic(self) -> None:
        """A password goes in clear only where it may, and where no token was taken."""
        for body in (None, HTML):
            camera = self.rude(takes=("basic",), offers=("basic",), body=body)
            self.look_twice(camera, allow_basic=lambda _: True)
            self.assertEqual(0, camera.failures)
            camera = self.rude(takes=("token",), offers=("basic",), body=body)
            self.look_twice(camera, allow_basic=lambda _: True)
            self.assertFalse(any("Authorization" in sent for _, sent in camera.sent))

    def test_basic_that_may_not_be_given(self) -> None:
        """Where a web server wants nothing but Basic, a token that it did not look at is not refused for sure."""
        camera = self.rude(takes=("basic",), offers=("basic",), body=HTML)
        error = self.refused(camera, ADMIN)
        self.assertEqual((False, True), (error.attempted, error.unsure))
        self.assertFalse(any("Authorization" in sent for _, sent in camera.sent))

    def test_wrong_passwords(self) -> None:
        """A wrong one is sent twice at most, whatever is offered, and is refused for sure in the end."""
        for takes, offers, stated, body in product(
            (("token",), ("digest",), ("token", "digest"), ("basic",)),
            ((), ("basic",), ("digest",)),
            ((), ("token",), ("digest",), ("token", "digest")),
            (None, HTML),
        ):
            camera = self.rude(takes=takes, offers=offers, stated=stated, body=body)
            error = self.refused(camera, WRONG)
            sent = [one for one in camera.sent if "Authorization" in one[1] or b"UsernameToken" in one[0]]
            self.assertLessEqual(len(sent), 2)
            self.assertLessEqual(camera.failures, 2)
            self.assertTrue(error.attempted or error.unsure)
            if stated and body is None and offers in ((), ("digest",)):
                self.assertEqual((1, True), (len(sent), error.attempted), (takes, offers, stated))

    def test_a_device_that_knows_no_tokens(self) -> None:
        """It faults at the header that it must understand: then Digest, and nothing was refused."""
        camera = self.rude(takes=("digest",), offers=("digest",))
        answer = camera._react

        def react(url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
            if b"UsernameToken" in body and "Authorization" not in headers:
                fault = fault_envelope("s:MustUnderstand", "wsse:Security must be understood", code="s:MustUnderstand")
                return HttpResponse(500, (), fault)
            return answer(url, body, headers)

        camera._react = react  # type: ignore[method-assign]
        self.look_twice(camera)
        self.assertEqual(0, camera.failures)

    def test_the_way_is_remembered(self) -> None:
        """What a device took is sent first the next time, also where it lets a token pass unseen."""
        camera = self.rude(takes=("digest",), offers=("digest",))
        inspector = self.inspector(camera)
        for tokens in (1, 0):
            camera.sent.clear()
            self.assert_whole(self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN))))
            self.assertEqual(tokens, sum(b"UsernameToken" in body for body, _ in camera.sent))

    def test_a_new_firmware_that_takes_another_way(self) -> None:
        """Where the way of before is refused, the others follow."""
        camera = self.rude(takes=("token",), offers=("digest",))
        inspector = self.inspector(camera)
        for camera.takes in (("token",), ("digest",), ("token",)):
            found = self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN)))
            self.assert_whole(found)

    def test_mixed_services(self) -> None:
        """One service takes Digest, another the token: each is asked in its own way."""

        class Mixed(Rude):
            def _refuse(inner, body: bytes, header: str) -> HttpResponse | None:
                is_media = inner._url == MEDIA
                inner.takes, inner.offers = (("token",), ()) if is_media else (("digest",), ("digest",))
                return super()._refuse(body, header)

        camera = Mixed(self.clock.seconds)
        self.look_twice(camera)
        self.assertEqual(0, camera.failures)

    def test_a_realm_beside_a_fault(self) -> None:
        """The realm that a device shows is told before a token too: it may be another camera's."""
        seen: list[str] = []

        class Permit:
            async def acquire(self, realm: str = "") -> bool:
                seen.append(realm)
                return True

            def accepted(self, scheme: str = "") -> None:
                seen.append(f"by {scheme}")

            def unanswered(self) -> None:
                """Nothing follows."""

        camera = self.rude(takes=("token",), offers=("digest",))
        self.assert_whole(self.inspect(camera, replace(ADMIN, permit=Permit())))
        self.assertEqual(["cam", "by "], seen[:2])


class Nonces(Base):
    def rude(self, **said: Any) -> Rude:
        return Rude(self.clock.seconds, takes=("digest",), offers=("digest",), body=b"", **said)

    def test_of_one_url(self) -> None:
        """A nonce is used where it came from, so that one which is good for its URL only is no failure."""
        camera = self.rude()
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(0, camera.failures)

    def test_of_one_connection(self) -> None:
        """A challenge that came over another connection is not answered."""
        camera = self.rude()
        inspector = self.inspector(camera, login_follows=lambda _: True)
        self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, None)))
        self.assert_whole(self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN))))
        self.assertEqual(0, camera.failures)

    def test_good_for_one_request(self) -> None:
        """One-time nonces cost one refusal, which proves nothing; then each question asks for its own, for good."""
        camera = self.rude(uses=1)
        inspector = self.inspector(camera)
        for failures in (1, 1):
            found = self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN)))
            self.assert_whole(found)
            self.assertEqual((False, failures), (found.doubted, camera.failures))

    def test_that_age_unsaid(self) -> None:
        """A nonce that is too old is asked anew, once."""

        class Slow(Rude):
            async def post(inner, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
                self.clock.advance(1.0)
                return await super().post(url, body, headers)

        camera = Slow(self.clock.seconds, takes=("digest",), offers=("digest",), body=b"", nonce_seconds=2.5)
        inspector = self.inspector(camera)
        for _ in range(2):
            self.assert_whole(self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN))))
        self.assertEqual(1, camera.failures)

    def test_the_same_for_everybody(self) -> None:
        """A nonce that comes again is counted on, wherever it came from."""
        camera = Rude(self.clock.seconds, takes=("digest",), offers=("digest",), body=b"", steady=True)
        camera._is_right = lambda header: verify(header, "POST", {"admin": "secret"}.get)  # type: ignore[method-assign]
        self.assert_whole(self.inspect(camera, ADMIN))
        headers = [sent["Authorization"] for _, sent in camera.sent if "Authorization" in sent]
        counts = [header.partition("nc=")[2][:8] for header in headers]
        self.assertEqual([f"{n:08x}" for n in range(1, len(counts) + 1)], counts)

    def test_a_wrong_password_with_a_fresh_one(self) -> None:
        """A nonce that came just now has not aged: the password was wrong."""
        error = self.refused(self.rude(stated=("digest",)), WRONG)
        self.assertTrue(error.attempted)

    def test_no_room_for_another_way(self) -> None:
        """Where no failure more may be risked, nothing is filed as refused."""

        class Once:
            times = 0

            async def acquire(self, realm: str = "") -> bool:
                self.times += 1
                return self.times == 1

            def accepted(self, scheme: str = "") -> None:
                """Nothing follows."""

            def unanswered(self) -> None:
                """Nothing follows."""

        camera = Rude(self.clock.seconds, takes=("digest",), offers=("digest",))
        error = self.refused(camera, replace(ADMIN, permit=Once()))
        self.assertIsInstance(error, Unauthorized)
        self.assertEqual((False, True), (error.attempted, error.unsure))


class Order(Base):
    def test_order(self) -> None:
        """Token, Digest, Basic, by what was refused how, what is stated, and what was taken before."""
        digests, basics = digest.Challenge("digest", "r", "n"), digest.Challenge("basic", "r")
        for challenges, soap, spoken, stated, took, expected in (
            ((), True, True, (), "", [TOKEN]),
            ((), False, False, (), "", []),
            ((), False, True, (), "", [TOKEN]),
            ((digests,), True, True, (), "", [TOKEN, DIGEST]),
            ((digests,), False, True, (), "", [DIGEST, TOKEN]),
            ((digests,), False, False, (), "", [DIGEST]),
            ((basics,), True, True, (), "", [TOKEN, BASIC]),
            ((basics,), False, False, (), "", [BASIC]),
            ((basics, digests), True, True, (), "", [TOKEN, DIGEST]),
            ((digests,), True, True, (DIGEST,), "", [DIGEST]),
            ((digests,), True, True, (TOKEN, DIGEST), "", [TOKEN]),
            ((basics,), True, True, (DIGEST,), "", [TOKEN, BASIC]),
            ((digests,), True, True, (), DIGEST, [DIGEST, TOKEN]),
            ((digests,), True, True, (TOKEN,), DIGEST, [DIGEST, TOKEN]),
            ((digests,), True, True, (), BASIC, [TOKEN, DIGEST]),
        ):
            refusal = LoginRefusal(challenges, soap, "", Lockout())
            ways = ways_for(refusal, speaks_soap=spoken, allow_basic=True, stated=stated, took=took)
            self.assertEqual(expected, ways)
        refusal = LoginRefusal((basics,), True, "", Lockout())
        self.assertEqual([TOKEN], ways_for(refusal, speaks_soap=True, allow_basic=False))


class Budgeted(Case):
    """The same within the login budget: what is unsure counts, and bars nothing."""

    def rude(self, **said: Any) -> Rude:
        return Rude(self.clock.seconds, **said)

    def online(self, inspector: OnvifInspector) -> bool:
        inspection = self.visit(inspector)
        return inspection is not None and len(inspection.streams) == 2

    def test_a_second_login(self) -> None:
        """The second login follows at once where a device says what it takes, else when the window is over."""
        self.logins = (WRONG, ADMIN)
        for stated, body in product(((), ("digest",)), (None, HTML)):
            self.start()
            camera = self.rude(takes=("digest",), offers=("digest",), stated=stated, body=body)
            inspector = self.inspector(camera)
            self.assertEqual(bool(stated), self.online(inspector))
            self.clock.advance(WINDOW)
            self.assertTrue(self.online(inspector))
            self.assertEqual(1, camera.failures)

    def test_a_changed_password(self) -> None:
        """A device that says what it takes is sent the old one once, in the way of before: one failure is left."""
        self.logins = (ADMIN,)
        for way in ("digest", "token"):
            self.start()
            camera = self.rude(takes=(way,), offers=("digest",), stated=(way,))
            inspector = self.inspector(camera)
            self.assertTrue(self.online(inspector))
            camera.password = "another"
            self.assertFalse(self.online(inspector))
            self.assertEqual((1, 1), (camera.failures, self.budget.failures_left(DEVICE, self.clock.seconds())), way)

    def test_one_time_nonces_after_a_token(self) -> None:
        """A token that is not taken leaves room for no aged nonce: each question asks for its own, then too."""
        self.logins = (ADMIN,)
        self.start()
        camera = self.rude(takes=("digest",), offers=("digest",), uses=1)
        inspector = self.inspector(camera)
        self.assertTrue(self.online(inspector))
        self.assertEqual(0, camera.failures)
        self.assertTrue(self.online(inspector))
        self.assertEqual(1, camera.failures)

    def test_unsure(self) -> None:
        """Where one failure is left, it goes to the first way; what that came to is not held against the login."""
        self.logins = (WRONG, ADMIN)
        self.start()
        self.successResultOf(Deferred.fromCoroutine(self.budget.charge(DEVICE, WRONG, self.clock.seconds())))
        self.budget.record_refused(DEVICE, WRONG, self.clock.seconds(), False)
        camera = self.rude(takes=("digest",), offers=("digest",))
        inspector = self.inspector(camera)
        self.assertFalse(self.online(inspector))
        self.assertEqual((), self.budget.allowed_logins(DEVICE, self.clock.seconds()))
        self.restart()
        self.assertEqual((), self.budget.allowed_logins(DEVICE, self.clock.seconds()))
        self.clock.advance(WINDOW)
        self.assertEqual((ADMIN,), self.budget.allowed_logins(DEVICE, self.clock.seconds()))
        self.assertTrue(self.online(self.inspector(camera)))
        self.assertEqual(0, camera.failures)

    def test_wrong_passwords(self) -> None:
        """Whatever a device takes and offers, wrong ones reach it twice in half an hour at most."""
        for takes, offers, stated, body in product(
            (("token",), ("digest",), ("token", "digest"), ("basic",)),
            ((), ("basic",), ("digest",), ("digest", "basic")),
            ((), ("token",), ("digest",)),
            (None, HTML),
        ):
            self.logins = (WRONG, replace(WRONG, name="root"), replace(WRONG, password=Secret("another")))
            self.start()
            camera = self.rude(takes=takes, offers=offers, stated=stated, body=body)
            sent: list[float] = []
            react = camera._react

            def counting(
                url: str, body: bytes, headers: Mapping[str, str], react: Any = react, sent: list[float] = sent
            ) -> HttpResponse:
                if "Authorization" in headers or b"UsernameToken" in body:
                    sent.append(self.clock.seconds())
                answer: HttpResponse = react(url, body, headers)
                return answer

            camera._react = counting  # type: ignore[method-assign]
            inspector = self.inspector(camera)
            for moment in (0, 8, 300, 1799, 1801, 2700, 3590):
                self.clock.advance(1_700_000_000.0 + moment - self.clock.seconds())
                self.visit(inspector)
            most = max(sum(at <= one < at + WINDOW for one in sent) for at in sent)
            self.assertLessEqual(most, 2, (takes, offers, stated, body))

    def test_a_nonce_that_ages_while_the_password_changes(self) -> None:
        """Each sending that may count is recorded, though the login had been accepted a moment before."""
        self.logins = (ADMIN,)
        self.start()
        camera = self.rude(takes=("digest",), offers=("digest",), body=b"")
        answer = camera._answer

        def changing(operation: str, namespace: str, token: str) -> HttpResponse:
            camera.password = "another" if operation == "GetStreamUri" else camera.password
            return answer(operation, namespace, token)

        camera._answer = changing  # type: ignore[method-assign]
        self.visit(self.inspector(camera))
        self.assertEqual(2, camera.failures)
        self.assertEqual((), self.budget.allowed_logins(DEVICE, self.clock.seconds()))
