"""Channel that sends notices by mail: SMTP (RFC 5321) with STARTTLS (RFC 3207) or TLS (RFC 8314), and a login.

It is imported where mail is sent only: Twisted's part for mail takes memory that others need not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.mail.smtp import ESMTPSender, ESMTPSenderFactory, SMTPClientError
from twisted.python.failure import Failure

from twisted_detector.model import Secret
from twisted_detector.model.notices import Notice
from twisted_detector.outputs.notices.http import authorities, kind_of
from twisted_detector.outputs.notices.way import DeliveryFailed
from twisted_detector.outputs.notices.wording import Clock, harmless, headline, text

#: Seconds for a connection, and for each answer of the server.
TIMEOUT = 15
#: Words of the server that are shown.
_MAX_SAID = 100


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How mail leaves.

    :ivar tls: ``starttls``, ``tls`` from the first byte, or ``none``. The first two send nothing without it.
    :ivar user: "" for no login. :ivar ca: PEM file of authorities, None for those of the system.
    """

    host: str
    port: int
    tls: str
    user: str
    password: Secret
    sender: str
    recipients: Sequence[str]
    ca: Path | None = None


class MailChannel:
    """Channel to one mail server."""

    def __init__(self, reactor: Any, settings: MailSettings, *, clock: Clock) -> None:
        self._reactor = reactor
        self._settings = settings
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        """See :class:`Channel`."""
        settings = self._settings
        done: Deferred[Any] = Deferred()
        factory = _SenderFactory(  # type: ignore[no-untyped-call]
            settings.user.encode() if settings.user else None,
            settings.password.reveal().encode(),
            settings.sender,
            list(settings.recipients),
            BytesIO(self.message(notice).as_bytes()),
            done,
            retries=0,
            timeout=TIMEOUT,
            contextFactory=self._tls() if settings.tls == "starttls" else None,
            heloFallback=not settings.user,
            requireAuthentication=bool(settings.user),
            requireTransportSecurity=settings.tls == "starttls",  # TLS from the first byte is a matter of the endpoint
        )
        connection = None
        try:
            connection = await self._endpoint().connect(factory)
            await done
        except SMTPClientError as error:
            raise self._refusal(error) from None
        except DNSLookupError:
            raise DeliveryFailed("there is no host of that name; check NOTICE_MAIL_HOST") from None
        except (DeliveryFailed, CancelledError):
            raise
        except Exception as error:
            raise DeliveryFailed(f"no answer: {kind_of(error)}; check NOTICE_MAIL_HOST and NOTICE_MAIL_PORT") from None
        finally:
            if connection is not None and connection.transport is not None:
                connection.transport.abortConnection()

    async def test(self, notice: Notice) -> str:
        """See :class:`Channel`."""
        await self.send(notice)
        return "the mail server took a test mail"

    def message(self, notice: Notice) -> EmailMessage:
        """The mail. What a camera says of itself is in its text and subject only, each on its own line."""
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = ", ".join(self._settings.recipients)
        message["Subject"] = headline(notice)
        message["Date"] = format_datetime(datetime.fromtimestamp(self._reactor.seconds(), UTC))
        message["Message-ID"] = make_msgid(domain=self._settings.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers it
        message.set_content(f"{headline(notice)}\n\n{text(notice, self._clock)}\n")
        return message

    def _tls(self) -> Any:
        return optionsForClientTLS(self._settings.host, trustRoot=authorities(self._settings.ca))

    def _endpoint(self) -> Any:
        settings = self._settings
        plain = HostnameEndpoint(self._reactor, settings.host, settings.port, timeout=TIMEOUT)
        return wrapClientTLS(self._tls(), plain) if settings.tls == "tls" else plain

    def _refusal(self, error: Any) -> DeliveryFailed:
        """What the server refuses, by its code (RFC 5321, 4.2; RFC 4954, 6) and in its words. The error's own text has
        the whole conversation, with the login in it.
        """
        name, code = type(error).__name__, error.code
        said = error.resp.decode("utf-8", "replace") if isinstance(error.resp, bytes) else ""
        secret = self._settings.password.reveal()
        shown = "" if secret and secret in said else f" ({harmless(said, _MAX_SAID)})"
        if name == "TLSRequiredError":
            return DeliveryFailed("the server offers no STARTTLS: nothing was sent; check NOTICE_MAIL_TLS", final=True)
        if name in ("AUTHRequiredError", "EHLORequiredError"):
            return DeliveryFailed("the server takes no login here; check NOTICE_MAIL_USER", final=True)
        if name in ("AUTHDeclinedError", "AuthenticationError") or code in (530, 534, 535):
            words = f"the server refuses the login: {code}{shown}; check NOTICE_MAIL_USER and NOTICE_MAIL_PASSWORD"
            return DeliveryFailed(words, final=code >= 500)
        if code < 400:
            return DeliveryFailed("no answer in time, or none that is SMTP; check NOTICE_MAIL_PORT and NOTICE_MAIL_TLS")
        return DeliveryFailed(f"the server answers {code}{shown}", final=code >= 500)


class _Sender(ESMTPSender):
    """Twisted's sender, which hears from a connector when a connection is lost; those of an endpoint have none."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        if not self.factory.sendFinished:
            self.factory.sendFinished = True
            self.factory.result.errback(reason)


class _SenderFactory(ESMTPSenderFactory):
    protocol = _Sender
