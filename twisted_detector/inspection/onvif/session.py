"""ONVIF session with one device: it calls operations, one after the other, with at most one login.

Rules of the login (its schemes have their own, :mod:`inspection.onvif.login_schemes`):

1. It goes with an operation only that *this device refused without it* a moment ago. What the device then does with it
   shows that the login was accepted, nothing else does; from then on it goes with everything. What needs no login by
   the specification goes without one until then, even where a device refuses it.
2. It goes to a service only (:func:`may_carry_login`): to a path that names one, without a query, which answered in
   SOAP without a login or is one that the specification fixes.
3. One attempt that was surely refused ends its use, though others were accepted before: a second one would be a second
   failed login wherever the password is wrong, or was changed meanwhile.
4. Where HTTP accepted the login and SOAP refuses, the refusal is about rights, and other calls may follow.
5. :meth:`Login.acquire_permit` is awaited before each time that the login is sent: after silence, a fault, a stale
   nonce or a wrong time it is not known whether the device counted a failure.

Requests are SOAP 1.2. Where a device shows that it does not understand that, they have another form from then on
(:mod:`inspection.onvif.message_form`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from twisted_detector.errors import Busy, InspectionError, LocalError, LoginWithheld, RemoteError, Unauthorized
from twisted_detector.inspection.http.client import HttpResponse, HttpTransport, retry_once
from twisted_detector.inspection.onvif.clock import DRIFT, DeviceClock
from twisted_detector.inspection.onvif.login_schemes import BASIC, DIGEST, TOKEN, LoginSchemes
from twisted_detector.inspection.onvif.message_form import MessageForm, other_form, refuses_action
from twisted_detector.inspection.onvif.responses import LoginRefusal, NotAnOnvifAnswer, read_response
from twisted_detector.inspection.onvif.service_paths import is_service, may_be_service
from twisted_detector.model import Login, host_for_url
from twisted_detector.wire.onvif.answers import NS_DEVICE, parse_security_capabilities
from twisted_detector.wire.onvif.requests import OnvifRequest, get_service_capabilities
from twisted_detector.wire.soap import envelope as soap
from twisted_detector.wire.soap.xml import LONG, Element, find

#: Operations that are answered with a list of many things.
_LISTS = ("GetProfiles",)
_NO_RIGHT = "the login has no right to ask that"
_NO_SCHEME = "the device offers no login scheme that may be used"
_NO_SERVICE = "what wants a login there did not show that it is an ONVIF service, and is given none"


class OperationRefused(Unauthorized):
    """A call was refused for want of a right login.

    :ivar soap: whether by a SOAP fault: then it is ONVIF that answered, not just any web server.
    """

    def __init__(
        self, what: str, *, shown: str = "", attempted: bool, locked: bool, soap: bool, unsure: bool = False
    ) -> None:
        super().__init__(what, shown=shown, attempted=attempted, locked=locked, unsure=unsure)
        self.soap = soap


#: Runs a function that takes its time in another thread, and waits for its result.
Elsewhere = Callable[[Callable[[], Any]], Awaitable[Any]]
#: Reads what is wanted out of the Body of an answer.
Parse = Callable[[Element], Any]


@dataclass(slots=True)
class Known:
    """What a device showed without a login; the session of a login that follows at once begins with it.

    :ivar refused: operations that it refused without a login.
    :ivar soap: URLs at which it answered in SOAP.
    :ivar stated: the ways in which it says that it takes a login; None: it was not asked.
    :ivar form: of the messages that it understands; None: not known.
    """

    refused: set[tuple[str, str]] = field(default_factory=set)
    soap: set[str] = field(default_factory=set)
    stated: frozenset[str] | None = None
    form: MessageForm | None = None


@dataclass(frozen=True, slots=True)
class EarlierLogins:
    """What earlier sessions with the device showed about its logins.

    :ivar denied: operations that it refused to an accepted login lately: they are not called with one.
    :ivar took: the way in which it took a login last, "" when none is known.
    :ivar nonces_are_short_lived: see :class:`LoginSchemes`.
    """

    denied: Collection[tuple[str, str]] = ()
    took: str = ""
    nonces_are_short_lived: bool = False


class OnvifSession:
    """Calls of one device, one at a time.

    :param address: the only host that requests are sent to.
    :param login: used when the device asks for one; None: never.
    :param allow_basic: whether the password may be sent in clear if the device knows nothing better.
    :param random: returns so many fresh random bytes.
    :param now: wall time in seconds since the epoch.
    :param elsewhere: runs a function in another thread; None: everything is read here.
    :ivar known: what the device showed without a login.
    :ivar accepted: whether the device did with the login what it had refused without one.
    :ivar doubted: a login that had been accepted was refused, perhaps for its password; ``denied_now``: for what.
    """

    def __init__(
        self,
        transport: HttpTransport,
        address: str,
        *,
        login: Login | None,
        allow_basic: bool,
        random: Callable[[int], bytes],
        now: Callable[[], float],
        earlier: EarlierLogins = EarlierLogins(),
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._transport = transport
        self._host = host_for_url(address)
        self._login = login
        self._schemes = LoginSchemes(
            allow_basic=allow_basic,
            random=random,
            now=now,
            took=earlier.took,
            challenge_each_request=earlier.nonces_are_short_lived,
        )
        #: SHA-256 of the certificate that the device showed last, "" without TLS.
        self.certificate = ""
        #: ``Date`` of the last answer.
        self.date = ""
        #: How the device refused last; the session of another login may begin there.
        self.refusal: LoginRefusal | None = None
        self.known = Known()
        self.accepted = self.doubted = False
        self._denied = earlier.denied
        self.denied_now: tuple[str, str] | None = None
        self._elsewhere = elsewhere
        self._final_refusal: OperationRefused | None = None

    async def call(
        self, url: str, request: OnvifRequest, *, with_login: bool = True, parse: Parse = lambda body: body
    ) -> Any:
        """Call one operation; what ``parse`` makes of the Body of its response.

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
        sent = (
            with_login
            and (self.accepted or request.key in self.known.refused)
            and self._may_carry_login(url)
            and self._schemes.begin(url)
        )
        withheld = False
        answer = await self._send_once(url, request, sent, parse)
        while isinstance(answer, LoginRefusal) and with_login:
            if sent:
                if request.namespace == NS_DEVICE and self._schemes.way(url) == self._schemes.took:
                    await self._read_stated_ways((TOKEN, DIGEST), url, again=True)
                if not self._schemes.correct(answer, url, accepted=self.accepted, stated=self.known.stated or ()):
                    break
                self.known.refused.add(request.key)  # without a login that counts
            else:
                answer = await self._ask_for_ways(answer, url, request)
                self._schemes.choose(answer, url, self._ways(answer, url))
            try:
                answer = await self._send_once(url, request, True, parse)
            except LoginWithheld:
                if not sent:
                    raise
                withheld = True
                break
            sent = True
        if isinstance(answer, LoginRefusal):
            self.refusal = answer
            sure = sent and not withheld and self._schemes.is_sure(url)
            raise self._refused(answer, request, way=self._schemes.way(url) if sent else "", sure=sure)
        return answer

    async def _send_once(self, url: str, request: OnvifRequest, authenticate: bool, parse: Parse) -> Any | LoginRefusal:
        """Send one request, with the login or without; what the answer shows is recorded."""
        response = await retry_once(lambda: self._send(url, request, authenticate))
        self.date = next(iter(response.values("Date")), "")
        self.certificate = response.certificate or self.certificate
        try:
            answer = await self._read(response, request, parse)
        except (RemoteError, Busy) as error:
            if self.known.form is None:
                self.known.form = other_form(
                    response,
                    error,
                    spoke_soap=bool(self.known.soap),
                    at_service=is_service(url),
                    with_login=authenticate,
                )
                if self.known.form is not None:
                    return await self._send_in_form(url, request, authenticate, parse, error)
            if not authenticate and isinstance(error, soap.SoapFault):
                self.known.soap.add(url)
            raise
        if isinstance(answer, LoginRefusal):
            if authenticate and self._login is not None:
                self._login.report_unanswered()
            elif not authenticate:
                self.refusal = answer
                self.known.refused.add(request.key)
                if answer.soap:
                    self.known.soap.add(url)
            return answer
        if not authenticate or self._login is None:
            self.known.soap.add(url)
        elif request.key in self.known.refused:
            self.accepted = True
            way = self._schemes.accepted(url)
            self._login.report_accepted("" if way == TOKEN else way)
        return answer

    async def _send_in_form(
        self, url: str, request: OnvifRequest, authenticate: bool, parse: Parse, error: RemoteError | Busy
    ) -> Any | LoginRefusal:
        """Send the request in another form, once; where that is no use, ``error`` stands, and the usual form stays."""
        try:
            return await self._send_once(url, request, authenticate, parse)
        except soap.SoapFault as fault:
            if refuses_action(fault):
                self.known.form = MessageForm.USUAL
            raise
        except (RemoteError, Busy):
            self.known.form = MessageForm.USUAL
            raise error from None

    async def _read(self, response: HttpResponse, request: OnvifRequest, parse: Parse) -> Any | LoginRefusal:
        """See :func:`read_response`; a long one is read in another thread, meanwhile other devices are served.

        There it is parsed too: its tree takes several times the memory of its octets, and is not kept waiting.
        """

        def read() -> Any | LoginRefusal:
            answer = read_response(response, large=request.operation in _LISTS)
            if isinstance(answer, LoginRefusal):
                return answer
            if find(answer, request.operation) is not None:  # an answer is …Response
                raise NotAnOnvifAnswer("our own request, sent back")
            return parse(answer)

        if self._elsewhere is None or len(response.body) <= LONG:
            return read()
        return await self._elsewhere(read)

    def _may_carry_login(self, url: str) -> bool:
        """Whether the login may be sent to a URL: a device chose it, or somebody in its name."""
        return is_service(url) or (url in self.known.soap and may_be_service(url))

    @property
    def clock(self) -> DeviceClock:
        """What is known of the device's clock."""
        return self._schemes.clock

    def set_clock(self, clock: DeviceClock) -> None:
        """The device's clock was read."""
        self._schemes.clock = clock

    @property
    def took(self) -> str:
        """The way in which the device took a login last, "" when none is known."""
        return self._schemes.took

    @property
    def nonces_are_short_lived(self) -> bool:
        """See :class:`LoginSchemes`."""
        return self._schemes.nonces_are_short_lived

    async def resume(self, known: Known, clock: DeviceClock, refusal: LoginRefusal | None, url: str) -> None:
        """Begin where a session without a login ended just now: with its refusal, if any, at the device service.

        Its challenge may be too old by now, or good for its own connection only, and is not answered.

        :raises OperationRefused: as :meth:`call`.
        """
        self.known = known
        self.set_clock(clock)
        if refusal is None:
            return
        ways = self._ways(refusal, url)
        self._schemes.resume(refusal)
        await self._read_stated_ways(ways, url)
        if ways == [TOKEN]:
            self._schemes.choose(refusal, url, ways)

    def _ways(self, refusal: LoginRefusal, url: str) -> list[str]:
        """The ways of the login, by how the device refused a call without one.

        :raises OperationRefused: when there is no login, none that may be used there, or the device warns.
        """
        self.refusal = refusal
        if self._login is None or refusal.warning.warns:
            raise self._refused(refusal, None)
        ways = self._schemes.ways(refusal, speaks_soap=url in self.known.soap, stated=self.known.stated or ())
        if not ways:
            raise OperationRefused(_NO_SCHEME, shown=_offered(refusal), attempted=False, locked=False, soap=False)
        if not self._may_carry_login(url):
            raise OperationRefused(_NO_SERVICE, shown=url[:80], attempted=False, locked=False, soap=False)
        return ways

    async def _ask_for_ways(self, refusal: LoginRefusal, url: str, request: OnvifRequest) -> LoginRefusal:
        """As :meth:`_read_stated_ways`, at the device service; the refusal whose challenge came last."""
        ways = self._ways(refusal, url)
        if request.namespace == NS_DEVICE:
            await self._read_stated_ways(ways, url)
        return self.refusal if self.refusal is not None and self.refusal.challenges else refusal

    async def _read_stated_ways(self, ways: Collection[str], url: str, *, again: bool = False) -> None:
        """Ask a device that leaves more than one way open which it takes, once, if none is known (or ``again``)."""
        if len(ways) < 2 or self.known.stated is not None or self.accepted or (self._schemes.took and not again):
            return
        self.known.stated = frozenset()
        with suppress(RemoteError, InspectionError):
            security = await self._send_once(url, get_service_capabilities(), False, parse_security_capabilities)
            if not isinstance(security, LoginRefusal):
                stated = {TOKEN: security.username_token, DIGEST: security.http_digest}
                self.known.stated = frozenset(way for way, is_stated in stated.items() if is_stated)

    def _refused(
        self, refusal: LoginRefusal, request: OnvifRequest | None, *, way: str = "", sure: bool = False
    ) -> OperationRefused:
        """What a refusal means, and whether the login may be sent after it.

        ``attempted`` if the login was never accepted, or if the device counts: then the password was changed in the
        middle of the session; ``unsure`` if the device may have refused the way of it. Else it may be about rights, or
        about room, and is only doubted; ``locked`` forbids others.

        :param way: how the login was sent, "" when it was not. ``sure``: whether it was the login that was refused.
        """
        warning, sent = refusal.warning, bool(way)
        attempted = sent and ((not self.accepted and sure) or warning.warns)
        unsure = sent and not self.accepted and not attempted
        if warning.warns:
            what = f"{'the login was refused, and ' if attempted and not warning.locked else ''}{warning.text}"
        elif attempted or unsure:
            what = "the login was refused"
            if way == TOKEN and self.clock.reported is not None and abs(self.clock.reported) > DRIFT:
                ahead = f"{abs(self.clock.reported):.0f} s {'ahead of' if self.clock.reported > 0 else 'behind'} ours"
                what += f", perhaps only because the device's clock is {ahead}"
            elif unsure:
                what += ", perhaps only in the way in which it was sent"
        elif self.accepted:
            what = _NO_RIGHT
        else:
            what = "a login is needed"
        refused = OperationRefused(
            what, shown=refusal.text, attempted=attempted, locked=warning.warns, soap=refusal.soap, unsure=unsure
        )
        past_http = way in (DIGEST, BASIC) and not refusal.challenges
        if sent and (attempted or unsure or not past_http):
            self._final_refusal = refused
            self.doubted = self.accepted and not attempted
            self.denied_now = request.key if self.doubted and request is not None else None
        return refused

    async def _send(self, url: str, request: OnvifRequest, authenticate: bool) -> HttpResponse:
        form = self.known.form or MessageForm.USUAL
        headers, header_xml = form.headers(request), ""
        scheme, _, rest = url.partition("://")
        if not rest.startswith(self._host) or rest[len(self._host) :][:1] not in ("", "/", ":", "?"):
            raise LocalError("a device is asked at its own address only", shown=f"{scheme} {rest[:80]}")
        login = self._login if authenticate else None
        if login is not None:
            await login.acquire_permit(self._schemes.realm(url))
            if self._schemes.way(url) == TOKEN:
                header_xml = self._schemes.token(login)
        data = soap.envelope(request.body, header_xml=header_xml, older=form is MessageForm.OLDER)
        if login is not None:
            target = rest[len(self._host) :]
            target = target[target.find("/") :] if "/" in target else "/"
            authorization = self._schemes.authorization(login, url, target, data)
            headers |= {"Authorization": authorization} if authorization else {}
        try:
            return await self._transport.post(url, data, headers)
        except InspectionError:
            if login is not None:
                login.report_unanswered()
            raise


def _offered(refusal: LoginRefusal) -> str:
    return ", ".join(sorted({challenge.scheme for challenge in refusal.challenges})) or "nothing known"
