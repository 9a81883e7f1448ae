"""ONVIF session with one device: it calls operations, one after the other, with at most one login.

Rules of the login:

1. The first call goes without it. The response decides the one scheme that is used from then on: HTTP Digest (or Basic
   where allowed) after a challenge, WS-UsernameToken after a SOAP fault without one (ONVIF Core 5.9.1). Never both.
2. It goes with an operation only that *this device refused without it* a moment ago. What the device then does with it
   shows that the login was accepted, nothing else does; from then on it goes with everything. What needs no login by
   the specification goes without one until then, even where a device refuses it.
3. It goes to a service only (:func:`may_carry_login`): to a path that names one, without a query, which answered in
   SOAP without a login or is one that the specification fixes.
4. One refused attempt ends its use, though others were accepted before: a second one would be a second failed login
   wherever the password is wrong, or was changed meanwhile.
5. Only a refusal that says nothing about the password is answered again, once: a nonce that the device calls stale, or
   a token whose time was wrong by the device's own statement (``clock.py`` has chosen the time by evidence before).
6. Where HTTP accepted the login and SOAP refuses, the refusal is about rights, and other calls may follow.
7. :meth:`Login.acquire_permit` is awaited before each time that the login is sent: after silence, a fault, a stale
   nonce or a wrong time it is not known whether the device counted a failure.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace

from twisted_detector.errors import Busy, InspectionError, LocalError, LoginWithheld, RemoteError, Unauthorized
from twisted_detector.inspection.http.client import HttpResponse, HttpTransport, retry_once
from twisted_detector.inspection.onvif.clock import DRIFT, DeviceClock, date_offset
from twisted_detector.model import Login, host_for_url
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.lockout import Lockout, read_lockout
from twisted_detector.wire.onvif.requests import OnvifRequest
from twisted_detector.wire.soap import envelope as soap
from twisted_detector.wire.soap.xml import LONG, Element, clean

#: As the transport's bound: an NVR's GetProfiles is above the usual limit of ``parse_xml``.
MAX_BODY = 2 * 1_048_576
#: Operations that are answered with a list of many things.
_LISTS = ("GetProfiles",)
#: Statuses with which a server sends a client elsewhere (RFC 9110, 15.4).
_REDIRECTS = (301, 302, 307, 308)
#: A token is dated by so many seconds later than our time at most, whatever clock the device tells: the farthest zone
#: is 14 hours east, and a clock that runs free drifts. One that is dated later would be a login that works later.
MAX_AHEAD = 15 * 3600.0
#: Where a device service is by the specification (Core, 5.1.1).
DEVICE_PATH = "/onvif/device_service"
#: Paths below which nothing but services are: there a bare 401 may be a service's.
_SERVICE = re.compile(r"/onvif/[A-Za-z0-9_.-]{1,64}")
#: Paths that may be a service's if they say so in SOAP: real ones name what they are, or are the root (gSOAP).
_POSSIBLE = re.compile(r"/?|/[A-Za-z0-9_./-]*(?:onvif|soap|service|media|device)[A-Za-z0-9_./-]*", re.IGNORECASE)
#: What ``xs:dateTime`` and our formatter can express: up to the year 9999.
_LAST_SECOND = 253_402_300_799.0


_NO_RIGHT = "the login has no right to ask that"
_NO_SERVICE = "what wants a login there did not show that it is an ONVIF service, and is given none"


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


#: Runs a function that takes its time in another thread, and waits for its result.
Elsewhere = Callable[[Callable[[], Element | LoginRefusal]], Awaitable[Element | LoginRefusal]]


@dataclass(slots=True)
class Known:
    """What a device showed without a login; the session of a login that follows at once begins with it.

    :ivar refused: operations that it refused without a login.
    :ivar soap: URLs at which it answered in SOAP.
    """

    refused: set[tuple[str, str]] = field(default_factory=set)
    soap: set[str] = field(default_factory=set)


def path_of(url: str) -> str:
    """What stands behind the host of a URL, with the query."""
    rest = url.partition("://")[2]
    start = min((position for position in map(rest.find, "/?#") if position >= 0), default=len(rest))
    return rest[start:]


def may_be_service(url: str) -> bool:
    """Whether a service could be at a URL that a device named: no query, and a path that is no other program's."""
    return _POSSIBLE.fullmatch(path_of(url)) is not None


class OnvifSession:
    """Calls of one device, in one login scheme, one at a time.

    :param address: the only host that requests are sent to.
    :param login: used when the device asks for one; None: never.
    :param allow_basic: whether the password may be sent in clear if the device knows nothing better.
    :param random: returns so many fresh random bytes.
    :param now: wall time in seconds since the epoch.
    :param denied: operations that this device refused to an accepted login lately: they are not called with one.
    :param challenge_each_request: whether each call is sent without the login first, for a challenge of its own: the
        device's nonces are good for very few requests, and it does not say when they are not.
    :param elsewhere: runs a function in another thread; None: everything is read here.
    :ivar known: what the device showed without a login.
    :ivar accepted: whether the device did with the login what it had refused without one.
    :ivar doubted: a login that had been accepted was refused, perhaps for its password; ``denied_now``: for what.
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
        denied: Collection[tuple[str, str]] = (),
        challenge_each_request: bool = False,
        elsewhere: Elsewhere | None = None,
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
        self.known = Known()
        self.accepted = False
        self._denied = denied
        self.denied_now: tuple[str, str] | None = None
        self.doubted = False
        self.nonce_expired_silently = False
        self._challenge_each_request = challenge_each_request
        self._elsewhere = elsewhere
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
        with_login = with_login and self._login is not None and (self.accepted or not request.needs_no_login)
        if with_login and self._final_refusal is not None:
            raise self._final_refusal
        if with_login and request.key in self._denied:
            raise OperationRefused(_NO_RIGHT, attempted=False, locked=False, soap=True)
        has_scheme = self._token or self._authenticator is not None
        ready = (
            with_login
            and has_scheme
            and (self.accepted or request.key in self.known.refused)
            and not (self._challenge_each_request and self._authenticator is not None and self.accepted)
            and self._may_carry_login(url)
        )
        answer = await self._send_once(url, request, ready)
        if isinstance(answer, LoginRefusal) and with_login:
            if not ready:
                self.choose_scheme(answer)
                if not self._may_carry_login(url):
                    raise OperationRefused(_NO_SERVICE, shown=url[:80], attempted=False, locked=False, soap=False)
                ready = True
                answer = await self._send_once(url, request, True)
            if isinstance(answer, LoginRefusal) and self._correct(answer):
                with suppress(LoginWithheld):
                    answer = await self._send_once(url, request, True)
        if isinstance(answer, LoginRefusal):
            self.refusal = answer
            raise self._refused(answer, request, sent=ready)
        return answer

    async def _send_once(self, url: str, request: OnvifRequest, authenticate: bool) -> Element | LoginRefusal:
        """Send one request, with the login or without; what the answer shows is recorded."""
        content_type = f'application/soap+xml; charset=utf-8; action="{request.action}"'
        response = await retry_once(lambda: self._send(url, content_type, request.body, authenticate))
        self.date = next(iter(response.values("Date")), "")
        self.certificate = response.certificate or self.certificate
        try:
            answer = await self._read(response, request)
        except (RemoteError, Busy) as error:
            if not authenticate and isinstance(error, soap.SoapFault):
                self.known.soap.add(url)
            raise
        if isinstance(answer, LoginRefusal):
            if authenticate and self._login is not None:
                self._login.report_unanswered()
            elif not authenticate:
                self.known.refused.add(request.key)
                if answer.soap:
                    self.known.soap.add(url)
            return answer
        if not authenticate or self._login is None:
            self.known.soap.add(url)
        elif request.key in self.known.refused:
            self.accepted = True
            self._login.report_accepted(self._authenticator.challenge.scheme if self._authenticator else "")
        return answer

    async def _read(self, response: HttpResponse, request: OnvifRequest) -> Element | LoginRefusal:
        """See :func:`_read_response`; a long one is read in another thread, meanwhile other devices are served."""
        large = request.operation in _LISTS
        if self._elsewhere is None or len(response.body) <= LONG:
            return _read_response(response, large=large)
        return await self._elsewhere(lambda: _read_response(response, large=large))

    def _may_carry_login(self, url: str) -> bool:
        """Whether the login may be sent to a URL: a device chose it, or somebody in its name."""
        path = path_of(url)
        return _SERVICE.fullmatch(path) is not None or (url in self.known.soap and may_be_service(url))

    def choose_scheme(self, refusal: LoginRefusal) -> None:
        """Fix the scheme by how the device refused a call without a login just now.

        :raises OperationRefused: when there is no login, none that may be used, or the device warns.
        """
        self.refusal = refusal
        if self._login is None or refusal.warning.warns:
            raise self._refused(refusal, None, sent=False)
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
                return True
            return False
        if self.accepted or not refusal.about_time:
            return False
        other = self._dated_clock(refusal.date).alternative(self._clock_offset)
        if other is None or other > MAX_AHEAD:
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

    def _refused(self, refusal: LoginRefusal, request: OnvifRequest | None, *, sent: bool) -> OperationRefused:
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
            what = _NO_RIGHT
        else:
            what = "a login is needed"
        refused = OperationRefused(
            what, shown=refusal.text, attempted=attempted, locked=warning.warns, soap=refusal.soap
        )
        past_http = self._authenticator is not None and not refusal.challenges
        if sent and (attempted or not past_http):
            self._final_refusal = refused
            self.doubted = not attempted
            self.denied_now = request.key if self.doubted and request is not None else None
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
            await login.acquire_permit(self._authenticator.challenge.realm if self._authenticator else "")
        if login is not None and self._authenticator is None:
            created = min(max(self._now() + min(self._clock_offset, MAX_AHEAD), 0.0), _LAST_SECOND)
            header_xml = soap.username_token(
                login.name, login.password.reveal(), nonce=self._random(16), created=soap.format_time(created)
            )
        data = soap.envelope(body, header_xml=header_xml)
        if login is not None and self._authenticator is not None:
            target = rest[len(self._host) :]
            target = target[target.find("/") :] if "/" in target else "/"
            headers["Authorization"] = self._authenticator.authorization(login, "POST", target, data)
        try:
            return await self._transport.post(url, data, headers)
        except InspectionError:
            if login is not None:
                login.report_unanswered()
            raise


def _read_response(response: HttpResponse, *, large: bool) -> Element | LoginRefusal:
    """The Body of a response, or how it refuses; everything else raises. :param large: as of ``parse_xml``."""
    if response.status in (429, 503):
        raise Busy("the device has no room for us now", shown=f"HTTP {response.status}")
    challenges = digest.parse_challenges(response.values("WWW-Authenticate"))
    date = next(iter(response.values("Date")), "")
    refuses = response.status in (401, 403)
    try:
        body = soap.parse_response(response.body, limit=MAX_BODY, large=large)
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
