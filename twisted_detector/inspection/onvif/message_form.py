"""Forms of the messages to one device: SOAP 1.2 as the specification wants it, and what some firmware takes instead.

SOAP 1.2 names the action in the content type; some firmware answers nothing without it (agsh/onvif #497), some looks it
up there among names of its own and does not find it (Illustra, Siqura: agsh/onvif #302, quatanium/python-onvif #35).
Other firmware knows SOAP 1.1 alone, and says so, or answers with an error or with nothing at all (OpenIPC/viewer #65).
"""

from __future__ import annotations

import re
from enum import Enum, auto

from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.onvif.responses import NotAnOnvifAnswer
from twisted_detector.wire.onvif.requests import OnvifRequest
from twisted_detector.wire.soap.envelope import NS_SOAP11, SoapFault

#: Statuses with which a server that knows no SOAP 1.2 was seen to answer it.
_OLDER_SERVERS = (400, 415, 500)
#: The text that WS-Addressing (W3C, SOAP Binding, 6.4.3) gives to the fault; others have the action's name in it.
_UNKNOWN_ACTION = re.compile(r"\baction\b.{0,300}\bcannot be processed at the receiver", re.IGNORECASE)


class MessageForm(Enum):
    """Form of all messages of a session.

    :cvar USUAL: SOAP 1.2. :cvar WITHOUT_ACTION: the same, but for the action. :cvar OLDER: SOAP 1.1.
    """

    USUAL = auto()
    WITHOUT_ACTION = auto()
    OLDER = auto()

    def headers(self, request: OnvifRequest) -> dict[str, str]:
        """The fields that say what the body is."""
        if self is MessageForm.OLDER:
            return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{request.action}"'}
        action = "" if self is MessageForm.WITHOUT_ACTION else f'; action="{request.action}"'
        return {"Content-Type": f"application/soap+xml; charset=utf-8{action}"}


def refuses_action(error: Exception) -> bool:
    """Whether a fault is about the action that the content type names."""
    return isinstance(error, SoapFault) and _UNKNOWN_ACTION.search(error.fault.text) is not None


def other_form(
    response: HttpResponse, error: Exception, *, spoke_soap: bool, at_service: bool, with_login: bool
) -> MessageForm | None:
    """The form that a device may want instead of the usual one, by its answer; None when nothing points to one.

    :param spoke_soap: whether it answered to the usual one before. ``at_service``: whether nothing but services are at
        that URL. ``with_login``: whether the request had one, which is not sent again for a guess.
    """
    if isinstance(error, SoapFault):
        told = "VersionMismatch" in " ".join(error.fault.codes)
        if told or (not spoke_soap and NS_SOAP11.encode() in response.body[:2000]):
            return MessageForm.OLDER
        return MessageForm.WITHOUT_ACTION if refuses_action(error) and not with_login else None
    said_nothing = 200 <= response.status < 300 and not response.body.strip() and not with_login
    unread = isinstance(error, NotAnOnvifAnswer) and response.status in _OLDER_SERVERS
    return MessageForm.OLDER if (unread or said_nothing) and not spoke_soap and at_service else None
