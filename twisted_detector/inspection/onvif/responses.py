"""Reader of the HTTP responses of ONVIF services: the Body of the SOAP message, a refusal of the login, or an error."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.errors import Busy, RemoteError
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.lockout import Lockout, read_lockout
from twisted_detector.wire.soap import envelope as soap
from twisted_detector.wire.soap.xml import Element, clean

#: As the transport's bound: an NVR's GetProfiles is above the usual limit of ``parse_xml``.
MAX_BODY = 2 * 1_048_576
#: Statuses with which a server sends a client elsewhere (RFC 9110, 15.4).
_REDIRECTS = (301, 302, 307, 308)


class NotAnOnvifAnswer(RemoteError):
    """A device answered with something that is no SOAP message.

    :ivar location: the ``Location`` of a redirect, as written; "" without one.
    """

    def __init__(self, what: str, *, shown: str = "", location: str = "") -> None:
        super().__init__(what, shown=shown)
        self.location = location


@dataclass(frozen=True, slots=True)
class LoginRefusal:
    """Content of a refusing response; ``about_time``: that the login's time was wrong; ``date``: its Date header.

    :ivar soap: whether by SOAP: what refused has read the message.
    """

    challenges: tuple[digest.Challenge, ...]
    soap: bool
    text: str
    warning: Lockout
    about_time: bool = False
    date: str = ""


def read_response(response: HttpResponse, *, large: bool) -> Element | LoginRefusal:
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
        unread = any("MustUnderstand" in code for code in fault.codes)  # it knows no tokens, and read nothing
        if response.status == 401 or fault.is_auth or unread:
            warning = read_lockout(f"{response.reason if refuses else ''} {fault.text}")
            return LoginRefusal(challenges, not unread, fault.text, warning, fault.about_time, date)
        raise
    except RemoteError as error:
        text = clean(response.body[:1000].decode("utf-8", "replace"))
        warning = read_lockout(f"{response.reason} {text}")
        if response.status == 401 or (refuses and warning.warns) or (response.status >= 400 and challenges):
            return LoginRefusal(challenges, False, text or response.reason, warning, soap.about_time(text), date)
        if 200 <= response.status < 300:
            raise
        location = next(iter(response.values("Location")), "") if response.status in _REDIRECTS else ""
        shown = f"HTTP {response.status}"
        raise NotAnOnvifAnswer("an answer that is no ONVIF", shown=shown, location=location) from error
    if response.status == 401:
        return LoginRefusal(challenges, False, response.reason, read_lockout(response.reason), date=date)
    return body
