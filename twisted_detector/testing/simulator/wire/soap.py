"""SOAP requests go in, operations and logins come out; and faults go in, envelopes come out."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from twisted_detector.errors import RemoteError
from twisted_detector.wire.soap.envelope import body_of, envelope, password_digest
from twisted_detector.wire.soap.xml import (
    Element,
    attribute,
    children,
    escape,
    find,
    first,
    local,
    namespace,
    parse_xml,
    text_at,
    text_of,
)

NS_ERROR = "http://www.onvif.org/ver10/error"


@dataclass(frozen=True, slots=True)
class SoapRequest:
    """One request as a device reads it.

    :ivar operation: local name of the body's element, for instance ``GetProfiles``.
    :ivar namespace: its namespace, which tells Media1 from Media2.
    :ivar element: that element.
    :ivar header: the Header element, or None.
    """

    operation: str
    namespace: str
    element: Element
    header: Element | None = None


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """A login as it came: ``secret`` is the digest, or the password itself when ``plain``."""

    name: str
    secret: str
    nonce: bytes
    created: str
    plain: bool = False

    def proves(self, password: str) -> bool:
        """Whether it was made with ``password``, whatever its time."""
        expected = password if self.plain else password_digest(self.nonce, self.created, password)
        return hmac.compare_digest(self.secret.encode(), expected.encode())


def parse_request(data: bytes) -> SoapRequest:
    """Read a request.

    :raises RemoteError: not a SOAP envelope, or with an empty body.
    """
    root = parse_xml(data)
    element = next(children(body_of(root)), None)
    if element is None:
        raise RemoteError("a SOAP request without an operation")
    return SoapRequest(local(element), namespace(element), element, find(root, "Header"))


def read_username_token(header: Element | None) -> UsernameToken | None:
    """The UsernameToken in a Header element; None when there is none that can be read."""
    token = first(header, "UsernameToken")
    password = find(token, "Password")
    if token is None or password is None:
        return None
    try:
        nonce = base64.b64decode(text_at(token, "Nonce"), validate=True)
    except (binascii.Error, ValueError):
        return None
    plain = attribute(password, "Type").endswith("PasswordText")
    return UsernameToken(text_at(token, "Username"), text_of(password), nonce, text_at(token, "Created"), plain)


def verify_username_token(
    header: Element | None, password_of: Callable[[str], str | None], *, now: float, window: float = 300.0
) -> bool:
    """Whether a Header proves the password that ``password_of(user name)`` knows, made within ``window`` of ``now``.

    :param now: the device's time, seconds since the epoch.
    :param window: seconds by which Created may differ, either way; ``math.inf`` for a device that does not look.
    """
    token = read_username_token(header)
    password = password_of(token.name) if token is not None else None
    if token is None or password is None or not token.proves(password):
        return False
    if token.plain or math.isinf(window):
        return True
    try:
        return abs(parse_time(token.created) - now) <= window
    except RemoteError:
        return False


def fault_envelope(subcode: str, text: str, *, code: str = "s:Sender", detail: str = "") -> bytes:
    """A fault, for instance ``fault_envelope("ter:NotAuthorized", "Sender not Authorized")``; prefixes s and ter."""
    said = f"<s:Detail><s:Text>{escape(detail)}</s:Text></s:Detail>" if detail else ""
    return envelope(
        f'<s:Fault xmlns:ter="{NS_ERROR}"><s:Code><s:Value>{escape(code)}</s:Value>'
        f"<s:Subcode><s:Value>{escape(subcode)}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{escape(text)}</s:Text></s:Reason>{said}</s:Fault>'
    )


def parse_time(text: str) -> float:
    """Seconds since the epoch of an ``xs:dateTime``; one without a zone is taken as UTC.

    :raises RemoteError: not one.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise RemoteError("not a date and time", shown=text[:40]) from None
