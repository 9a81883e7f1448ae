"""ONVIF session with one device: it calls operations, one after the other, with at most one login.

Rules of the login:

1. The first call goes without it. The response decides the one scheme that is used from then on: HTTP Digest (or Basic
   where allowed) after a challenge, WS-UsernameToken after a SOAP fault without one (ONVIF Core 5.9.1). Never both.
2. One refused attempt ends its use, though others were accepted before: a second one would be a second failed login
   wherever the password is wrong, or was changed meanwhile.
3. Only a refusal that says nothing about the password is answered again, once: a nonce that the device calls stale, or
   a token whose time was wrong by the device's own statement (``clock.py`` has chosen the time by evidence before).
4. Where HTTP accepted the login and SOAP refuses, the refusal is about rights, and other calls may follow.
5. :meth:`Login.acquire_permit` is awaited before each time that the login is sent: after silence, a 403 or a wrong time
   it is not known whether the device counted a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from twisted_detector.errors import Busy, LocalError, LoginWithheld, RemoteError, Unauthorized
from twisted_detector.inspection.http.client import HttpResponse, HttpTransport, retry_once
from twisted_detector.inspection.onvif.clock import DRIFT, DeviceClock, date_offset
from twisted_detector.model import Login, host_for_url
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.lockout import Lockout, read_lockout
from twisted_detector.wire.onvif.requests import OnvifRequest
from twisted_detector.wire.soap import envelope as soap
from twisted_detector.wire.soap.xml import Element, clean

#: As the transport's bound: an NVR's GetProfiles is above the usual limit of ``parse_xml``.
MAX_BODY = 2 * 1_048_576
#: Statuses with which a server sends a client elsewhere (RFC 9110, 15.4).
_REDIRECTS = (301, 302, 307, 308)
#: What ``xs:dateTime`` and our formatter can express: up to the year 9999.
_LAST_SECOND = 253_402_300_799.0


class NotAnOnvifAnswer(RemoteError):
    """A device answered with something that is no SOAP message.

    :ivar location: the ``Location`` of a redirect, as written; "" without one.
    """

    def __init__(self, what: str, *, shown: str = "", location: str = "") -> None:
        super().__init__(what, shown=shown)
        self.location = location


class OperationRefused(Unauthorized):
    """A call was refused for want of a right login.

    :ivar soap: whether by a SOAP fault: then it is ONVIF that answered, not just any web server.
    """

    def __init__(self, what: str, *, shown: str = "", attempted: bool, locked: bool, soap: bool) -> None:
        super().__init__(what, shown=shown, attempted=attempted, locked=locked)
        self.soap = soap


@dataclass(frozen=True, slots=True)
class LoginRefusal:
    """Content of a refusing response; ``about_time``: that the login's time was wrong; ``date``: its Date header."""

    challenges: tuple[digest.Challenge, ...]
    soap: bool
    text: str
    warning: Lockout
    about_time: bool = False
    date: str = ""


class OnvifSession:
    """Calls of one device, in one login scheme, one at a time.

    :param address: the only host that requests are sent to.
    :param login: used when the device asks for one; None: never.
    :param allow_basic: whether the password may be sent in clear if the device knows nothing better.
    :param random: returns so many fresh random bytes.
    :param now: wall time in seconds since the epoch.
    :param challenge_each_request: whether each call is sent without the login first, for a challenge of its own: the
        device's nonces are good for very few requests, and it does not say when they are not.
    :ivar doubted: a login that had been accepted was refused, perhaps for its password.
    :ivar nonce_expired_silently: that was in response to a nonce that had been good before.
    """

    def __init__(
        self,
        transport: HttpTransport,
        address: str,
        login: Login | None,
        *,
        allow_basic: bool,
        random: Callable[[int], bytes],
        now: Callable[[], float],
        challenge_each_request: bool = False,
    ) -> None:
        self._transport = transport
        self._host = host_for_url(address)
        self._login = login
        self._allow_basic = allow_basic
        self._random = random
        self._now = now
        self._authenticator: digest.Authenticator | None = None
        self._token = False
        #: What is known of the device's clock.
        self.clock = DeviceClock()
        #: SHA-256 of the certificate that the device showed last, "" without TLS.
        self.certificate = ""
        #: ``Date`` of the last answer.
        self.date = ""
        #: How the device refused last; the session of another login may begin there.
        self.refusal: LoginRefusal | None = None
        self._offset: float | None = None
        #: Whether the device answered a call that carried the login.
        self.accepted = False
        self.doubted = False
        self.nonce_expired_silently = False
        self._challenge_each_request = challenge_each_request
        self._final_refusal: OperationRefused | None = None

    async def call(self, url: str, request: OnvifRequest, *, with_login: bool = True) -> Element:
        """Call one operation; the Body of its response.

        :param with_login: False: send no login even if the device asks for one.
        :raises OperationRefused: a login is needed, or it was refused.
        :raises soap.SoapFault: the device answered with another fault.
        :raises NotAnOnvifAnswer: the answer is no SOAP message. RemoteError: it is none that can be read.
        :raises errors.Unreachable: also where the login was sent before, and must not be sent again.
        :raises errors.Busy: HTTP 503 or 429. errors.Unreachable, errors.Malformed: as the transport.
        """
        if with_login and self._final_refusal is not None:
            raise self._final_refusal
        content_type = f'application/soap+xml; charset=utf-8; action="{request.action}"'

        async def send(authenticate: bool) -> Element | LoginRefusal:
            response = await retry_once(lambda: self._send(url, content_type, request.body, authenticate))
            self.date = next(iter(response.values("Date")), "")
            self.certificate = response.certificate or self.certificate
            try:
                answer = _read_response(response)
            except RemoteError:
                if authenticate and self._login is not None and response.status != 403:
                    self._login.report_not_counted()
                raise
            if authenticate and self._login is not None and not isinstance(answer, LoginRefusal):
                self._login.report_accepted()
            return answer

        ready = with_login and (
            self._token or (self._authenticator is not None and not (self._challenge_each_request and self.accepted))
        )
        answer = await send(ready)
        if isinstance(answer, LoginRefusal) and with_login:
            if not ready:
                self.choose_scheme(answer)
                ready = True
                answer = await send(True)
            if isinstance(answer, LoginRefusal) and self._correct(answer):
                with suppress(LoginWithheld):
                    answer = await send(True)
        if isinstance(answer, LoginRefusal):
            self.refusal = answer
            raise self._refused(answer, sent=ready)
        if ready:
            self.accepted = True
        return answer

    def choose_scheme(self, refusal: LoginRefusal) -> None:
        """Fix the scheme by how the device refused a call without a login just now.

        :raises OperationRefused: when there is no login, none that may be used, or the device warns.
        """
        self.refusal = refusal
        if self._login is None or refusal.warning.warns:
            raise self._refused(refusal, sent=False)
        self._answer(digest.choose(refusal.challenges, allow_basic=self._allow_basic))
        if self._authenticator is None:
            if refusal.challenges or not refusal.soap:
                offered = ", ".join(sorted({challenge.scheme for challenge in refusal.challenges})) or "nothing known"
                what = "the device offers no login scheme that may be used"
                raise OperationRefused(what, shown=offered, attempted=False, locked=False, soap=False)
            self._token = True

    def _answer(self, challenge: digest.Challenge | None) -> None:
        """Answer this challenge from now on; None: no challenge."""
        self._authenticator = None
        if challenge is not None:
            self._authenticator = digest.Authenticator(challenge, lambda: self._random(8).hex())

    def _correct(self, refusal: LoginRefusal) -> bool:
        """Whether an attempt failed for its form by the device's own statement; then that form is corrected."""
        if refusal.warning.warns:
            return False
        if self._authenticator is not None:
            newer = digest.choose(refusal.challenges, allow_basic=False)
            if newer is not None and newer.stale and self._login is not None:
                self._answer(newer)
                self._login.report_not_counted()
                return True
            return False
        if self.accepted or not refusal.about_time:
            return False
        other = self._dated_clock(refusal.date).alternative(self._clock_offset)
        if other is None:
            return False
        self._offset = other
        return True

    def _dated_clock(self, date: str) -> DeviceClock:
        """What is known of the clock, with the ``Date`` of a refusal where no other is known."""
        if self.clock.by_date_header is None:
            self.clock = replace(self.clock, by_date_header=date_offset(date, self._now()))
        return self.clock

    @property
    def _clock_offset(self) -> float:
        """Seconds to add to our time for a token."""
        if self._offset is None:
            self._offset = self._dated_clock(self.refusal.date if self.refusal is not None else "").offset
        return self._offset

    def _refused(self, refusal: LoginRefusal, *, sent: bool) -> OperationRefused:
        """What a refusal means, and whether the login may be sent after it.

        ``attempted`` if the login was never accepted, or if the device counts: then the password was changed in the
        middle of the session. Else it may be about rights, or about room, and is only doubted;
        ``locked`` forbids others.
        """
        warning = refusal.warning
        attempted = sent and (not self.accepted or warning.warns)
        if warning.warns:
            what = f"{'the login was refused, and ' if attempted and not warning.locked else ''}{warning.text}"
        elif attempted:
            what = "the login was refused"
            if self._token and self.clock.reported is not None and abs(self.clock.reported) > DRIFT:
                ahead = f"{abs(self.clock.reported):.0f} s {'ahead of' if self.clock.reported > 0 else 'behind'} ours"
                what += f", perhaps only because the device's clock is {ahead}"
        elif self.accepted:
            what = "the login has no right to ask that"
        else:
            what = "a login is needed"
        refused = OperationRefused(
            what, shown=refusal.text, attempted=attempted, locked=warning.warns, soap=refusal.soap
        )
        past_http = self._authenticator is not None and not refusal.challenges
        if sent and (attempted or not past_http):
            self._final_refusal = refused
            self.doubted = not attempted
            self.nonce_expired_silently = (
                self.doubted and self._authenticator is not None and not self._challenge_each_request
            )
        return refused

    async def _send(self, url: str, content_type: str, body: str, authenticate: bool) -> HttpResponse:
        headers = {"Content-Type": content_type}
        header_xml = ""
        scheme, _, rest = url.partition("://")
        if not rest.startswith(self._host) or rest[len(self._host) :][:1] not in ("", "/", ":", "?"):
            raise LocalError("a device is asked at its own address only", shown=f"{scheme} {rest[:80]}")
        login = self._login if authenticate else None
        if login is not None:
            await login.acquire_permit()
        if login is not None and self._authenticator is None:
            created = min(max(self._now() + self._clock_offset, 0.0), _LAST_SECOND)
            header_xml = soap.username_token(
                login.name, login.password.reveal(), nonce=self._random(16), created=soap.format_time(created)
            )
        data = soap.envelope(body, header_xml=header_xml)
        if login is not None and self._authenticator is not None:
            target = rest[len(self._host) :]
            target = target[target.find("/") :] if "/" in target else "/"
            headers["Authorization"] = self._authenticator.authorization(login, "POST", target, data)
        return await self._transport.post(url, data, headers)


def _read_response(response: HttpResponse) -> Element | LoginRefusal:
    """The Body of a response, or how it refuses; everything else raises."""
    if response.status in (429, 503):
        raise Busy("the device has no room for us now", shown=f"HTTP {response.status}")
    challenges = digest.parse_challenges(response.values("WWW-Authenticate"))
    date = next(iter(response.values("Date")), "")
    refuses = response.status in (401, 403)
    try:
        body = soap.parse_response(response.body, limit=MAX_BODY)
    except soap.SoapFault as error:
        fault = error.fault
        if response.status == 401 or fault.is_auth:
            warning = read_lockout(f"{response.reason if refuses else ''} {fault.text}")
            return LoginRefusal(challenges, True, fault.text, warning, fault.about_time, date)
        raise
    except RemoteError as error:
        text = clean(response.body[:1000].decode("utf-8", "replace"))
        warning = read_lockout(f"{response.reason} {text}")
        if response.status == 401 or (refuses and warning.warns):
            return LoginRefusal(challenges, False, text or response.reason, warning, soap.about_time(text), date)
        if 200 <= response.status < 300:
            raise
        location = next(iter(response.values("Location")), "") if response.status in _REDIRECTS else ""
        shown = f"HTTP {response.status}"
        raise NotAnOnvifAnswer("an answer that is no ONVIF", shown=shown, location=location) from error
    if response.status == 401:
        return LoginRefusal(challenges, False, response.reason, read_lockout(response.reason), date=date)
    return body
