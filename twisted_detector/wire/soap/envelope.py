"""Bodies and logins go in, SOAP envelopes come out; and envelopes go in, bodies and faults come out.

SOAP 1.2 (W3C, 2007) is written, and 1.1 (W3C, 2000) for devices that know nothing else; both are read. The login is the
UsernameToken with PasswordDigest of OASIS Web Services Security UsernameToken Profile 1.0, section 3.1, as ONVIF Core
section 5.9 uses it.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.wire.http.lockout import read_lockout
from twisted_detector.wire.soap.document import envelope_in
from twisted_detector.wire.soap.xml import (
    MAX_BYTES,
    Element,
    descendants,
    escape,
    find,
    local,
    parse_xml,
    text_at,
    text_of,
)

NS_SOAP = "http://www.w3.org/2003/05/soap-envelope"
NS_SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
NS_WSSE = _WSS + "wssecurity-secext-1.0.xsd"
NS_WSU = _WSS + "wssecurity-utility-1.0.xsd"
_DIGEST_TYPE = _WSS + "username-token-profile-1.0#PasswordDigest"
_BASE64_TYPE = _WSS + "soap-message-security-1.0#Base64Binary"

_TIME = re.compile(
    r"\btime[ -]?(?:stamp|check|out of|is |not |differ|error|invalid|window|skew)|timestamp|\bclock\b"
    r"|\b(?:message|token|created) ?(?:has |is )?expired|\bnot (?:yet )?valid\b.*\btime\b|\btoo old\b",
    re.I,
)
_AUTH = re.compile(r"auth|invalidsecurity|failedcheck|messageexpired", re.I)
_AUTH_TEXT = re.compile(r"auth(?!or\b)|wsse|\bpassword|\bcredential|\blog-?in\b|access denied|permission denied", re.I)
#: The largest second that ``datetime`` can hold is in the year 9999.
_LAST_SECOND = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Fault:
    """Content of a SOAP fault.

    :ivar subcode: the innermost code without prefix, for instance ``NotAuthorized``.
    :ivar text: reason and detail on one line.
    :ivar is_auth: it is about the login (missing, wrong, or its time): devices code this in a dozen ways.
    :ivar attempts_left: "You still have N attempt(s)" of Dahua and IMOU, None when it says nothing of the kind.
    :ivar codes: all codes as written, outermost first.
    :ivar reason: the reason alone.
    :ivar locked: it says that the account or the address is locked.
    :ivar about_time: it says that the login's time was wrong, which is no word about its password.
    """

    subcode: str
    text: str
    is_auth: bool
    attempts_left: int | None = None
    codes: tuple[str, ...] = ()
    reason: str = ""
    locked: bool = False
    about_time: bool = False


class SoapFault(RemoteError):
    """A device answered with a SOAP fault."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__("a device answered with a SOAP fault", shown=f"{fault.subcode}: {fault.text}")


def envelope(body_xml: str, *, header_xml: str = "", spaces: str = "", older: bool = False) -> bytes:
    """A message on one line: line breaks make some devices answer "the xml format error".

    :param spaces: declarations of prefixes, for the Envelope itself.
    :param older: in SOAP 1.1 instead of 1.2.
    """
    header = f"<s:Header>{header_xml}</s:Header>" if header_xml else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="{NS_SOAP11 if older else NS_SOAP}"{spaces}>'
        f"{header}<s:Body>{body_xml}</s:Body></s:Envelope>"
    ).encode()


def parse_response(data: bytes, *, limit: int = MAX_BYTES, large: bool = False) -> Element:
    """The Body element of an answer, whatever stands around its envelope.

    :param large: as of :func:`parse_xml`.
    :raises SoapFault: the body is a fault.
    :raises RemoteError: not a SOAP envelope, or not XML within the bounds of :func:`parse_xml`.
    """
    body = body_of(parse_xml(envelope_in(data), limit=limit, large=large))
    fault = find(body, "Fault")
    if fault is not None:
        raise SoapFault(_read_fault(fault))
    return body


def about_time(text: str) -> bool:
    """Whether a refusal names the login's time ("Wsse authorized time check failed" of Dahua), not its password."""
    return bool(_TIME.search(text))


def username_token(name: str, password: str, *, nonce: bytes, created: str) -> str:
    """The Security header that proves ``password`` without saying it.

    The prefixes are the specification's own: firmware that looks for text knows ``wsse:Username`` or nothing
    (John-Varghese-EH/ESP32CAM-ONVIF #10).

    :param nonce: fresh random bytes; 16 are usual.
    :param created: the device's present time as :func:`format_time` writes it; devices refuse what is minutes off.
    """
    digest = password_digest(nonce, created, password)
    return (
        f'<wsse:Security xmlns:wsse="{NS_WSSE}" xmlns:wsu="{NS_WSU}" s:mustUnderstand="1"><wsse:UsernameToken>'
        f"<wsse:Username>{escape(name)}</wsse:Username>"
        f'<wsse:Password Type="{_DIGEST_TYPE}">{digest}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{_BASE64_TYPE}">{base64.b64encode(nonce).decode("ascii")}</wsse:Nonce>'
        f"<wsu:Created>{escape(created)}</wsu:Created></wsse:UsernameToken></wsse:Security>"
    )


def format_time(seconds: float) -> str:
    """Seconds since the epoch as ``xs:dateTime`` in UTC with whole seconds (gSOAP of old firmware reads no fractions).

    :raises LocalError: not a time between 1970 and 9999.
    """
    if not (math.isfinite(seconds) and 0 <= seconds <= _LAST_SECOND):
        raise LocalError("a time must lie between 1970 and 9999", shown=repr(seconds))
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- Details --------------------------------------------------------------------------------------------------------


def body_of(root: Element) -> Element:
    """The Body of an envelope.

    :raises RemoteError: it is none, or has no Body.
    """
    if local(root) != "Envelope":
        raise RemoteError("not a SOAP envelope", shown=local(root))
    body = find(root, "Body")
    if body is None:
        raise RemoteError("a SOAP envelope without a body")
    return body


def _read_fault(fault: Element) -> Fault:
    code = find(fault, "Code")
    if code is not None:
        codes = tuple(text for text in map(text_of, descendants(code, "Value")) if text)
        reason = text_at(fault, "Reason")
        detail = text_at(fault, "Detail")
    else:  # SOAP 1.1, section 4.4
        codes = tuple(text for text in (text_at(fault, "faultcode"),) if text)
        reason = text_at(fault, "faultstring")
        detail = text_at(fault, "detail")
    text = f"{reason} {detail}".strip()
    warning = read_lockout(text)
    # What is merely tried again may be anything.
    warns = warning.locked or (warning.attempts_left is not None and "attempt" in text.lower())
    return Fault(
        subcode=codes[-1].rpartition(":")[2] if codes else "",
        text=text,
        is_auth=(warns or any(map(_AUTH.search, codes)) or bool(_AUTH_TEXT.search(text))),
        attempts_left=warning.attempts_left,
        codes=codes,
        reason=reason,
        locked=warning.locked,
        about_time=about_time(" ".join((*codes, text))),
    )


def password_digest(nonce: bytes, created: str, password: str) -> str:
    """PasswordDigest of a UsernameToken, in base64."""
    digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")
