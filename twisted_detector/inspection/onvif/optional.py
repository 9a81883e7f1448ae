"""A session with a device goes in; answers to questions that it may leave open come out, or None, and why.

Whatever one answer lacks costs that fact only: an operation that a device does not have, refuses or hangs on does not
end an interview; that it is gone, or that the login is wrong, does.
"""

from __future__ import annotations

from txaio.tx import make_logger

from twisted_detector.errors import Malformed, RemoteError, Unreachable
from twisted_detector.inspection.onvif.session import OnvifSession, OperationRefused
from twisted_detector.model import Candidate, Login
from twisted_detector.wire.http.device_url import device_url
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.soap.xml import Element

#: Questions that may go unanswered before the device counts as gone: some firmware hangs on one operation.
SPARE_TIMEOUTS = 1


class OptionalOperations:
    """The questions of one interview.

    :ivar entry: where the device service answered, "" before that is known.
    :ivar refusals: what was refused since :meth:`begin`.
    :ivar failure: why the last question gave nothing since then, "" when none did.
    """

    log = make_logger()

    def __init__(self, session: OnvifSession, candidate: Candidate, login: Login | None) -> None:
        self.session = session
        self.candidate = candidate
        self.login = login
        self.entry = ""
        self.refusals: list[OperationRefused] = []
        self.failure = ""
        self._spare = SPARE_TIMEOUTS

    def begin(self) -> None:
        """Another chapter: what was refused before is told already."""
        self.refusals.clear()
        self.failure = ""

    async def device(self, operation: str, request: str) -> Element | None:
        """A question to the device service, see :meth:`optional`."""
        return await self.optional(self.entry, onvif.NS_DEVICE, operation, request)

    async def optional(
        self, url: str, namespace: str, operation: str, request: str, *, spare: bool = True
    ) -> Element | None:
        """The answer, or None when the device does not have it, refuses it, garbles it, or hangs on it (once).

        :param spare: False: it may not hang on this one.
        :raises Refused: the login was refused.
        :raises errors.Unreachable, errors.Busy: as the session.
        """
        try:
            return await self.session.ask(url, namespace, operation, request)
        except OperationRefused as refused:
            if refused.attempted or (self.login is not None and not self.session.accepted):
                raise
            self.refusals.append(refused)
        except Unreachable as error:
            if not spare or self._spare == 0:
                raise
            self._spare -= 1
            self._note(operation, error)
        except (RemoteError, Malformed) as error:
            self._note(operation, error)
        return None

    def raise_refusal(self) -> None:
        """Raise the last refusal of this chapter, if there was one."""
        if self.refusals:
            raise self.refusals[-1]

    def url(self, said: str) -> str:
        """A service's address as the device said it, leading to the device; "" when it is none."""
        try:
            return device_url(said, self.candidate.address, base=self.entry)
        except RemoteError:
            return ""

    def _note(self, operation: str, error: Exception) -> None:
        self.failure = f"{operation}: {error}"
        self.log.debug(
            "{device}: {operation} gave nothing: {error}",
            device=self.candidate.device_id,
            operation=operation,
            error=str(error),
        )
