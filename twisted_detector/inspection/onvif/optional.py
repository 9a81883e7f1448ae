"""Calls of operations that a device need not answer.

Whatever one answer lacks costs that fact only: an operation that a device does not have, refuses or hangs on does not
end an interview; that it is gone, or that the login is wrong, does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from txaio.tx import make_logger

from twisted_detector.errors import Malformed, RemoteError, Unreachable
from twisted_detector.inspection.onvif.session import OnvifSession, OperationRefused
from twisted_detector.model import Candidate, Login
from twisted_detector.wire.http.device_url import device_url
from twisted_detector.wire.onvif.requests import OnvifRequest
from twisted_detector.wire.soap.xml import Element

T = TypeVar("T")

#: Calls that may time out before the device counts as gone: some firmware hangs on one operation.
SPARE_TIMEOUTS = 1


class OptionalOperations:
    """Calls of one interview, where a missing answer costs nothing but its facts.

    :ivar entry: where the device service answered, "" before that is known.
    :ivar refusals: what was refused since :meth:`start_section`.
    :ivar failure: why the last call gave nothing since then, "" when none did.
    """

    log = make_logger()

    def __init__(self, session: OnvifSession, candidate: Candidate, *, login: Login | None) -> None:
        self.session = session
        self.candidate = candidate
        self.login = login
        self.entry = ""
        self.refusals: list[OperationRefused] = []
        self.failure = ""
        self._spare = SPARE_TIMEOUTS
        self._answered = False  # the call before

    def start_section(self) -> None:
        """Forget earlier refusals: they are reported already."""
        self.refusals.clear()
        self.failure = ""

    async def read(self, request: OnvifRequest, parse: Callable[[Element], T], default: T) -> T:
        """Call the device service and parse its answer; ``default`` where :meth:`call` has none."""
        answer = await self.call(self.entry, request, parse)
        return default if answer is None else answer

    async def call(
        self, url: str, request: OnvifRequest, parse: Callable[[Element], T], *, may_time_out: bool = True
    ) -> T | None:
        """What ``parse`` makes of the answer, or None.

        None when the device does not have it, refuses it, garbles it, hangs on it (once), or hangs up on it after it
        answered something else (Lorex does so on GetStreamUri of Media2; cdavis-code/easy_onvif_workspace #32): not
        where that may be how it takes a login which it did not accept yet.

        :param may_time_out: False: a time-out of this call is raised.
        :raises OperationRefused: the login was refused.
        :raises errors.Unreachable, errors.Busy: as the session.
        """
        try:
            answer: T = await self.session.call(url, request, parse=parse)
        except OperationRefused as refused:
            unusable = self.login is not None and not self.session.accepted and not request.needs_no_login
            if refused.attempted or unusable:
                raise
            self.refusals.append(refused)
            self._answered = True
        except Unreachable as error:
            proved = self.login is None or self.session.accepted
            hung_up, self._answered = self._answered and proved and error.code == "closed", False
            if not hung_up and (not may_time_out or self._spare == 0):
                raise
            self._spare -= not hung_up
            self._note(request.operation, error)
        except (RemoteError, Malformed) as error:
            self._answered = True
            self._note(request.operation, error)
        else:
            self._answered = True
            return answer
        return None

    def raise_refusal(self) -> None:
        """Raise the last refusal since :meth:`start_section`, if there was one."""
        if self.refusals:
            raise self.refusals[-1]

    def url(self, said: str) -> str:
        """The address that a device gave for a service, made to lead to the device; "" when it is none."""
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
