"""Runner of connection attempts: one at a time in the network thread, which is replaced when it does not return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from txaio.tx import make_logger

from twisted_detector.mqtt.network.buffered_socket import AttemptFailed, describe_error
from twisted_detector.mqtt.network.connect import Address
from twisted_detector.mqtt.network.loop import LoopReport, NetworkLoop
from twisted_detector.mqtt.network.paho_session import MQTT_5, Ending, Job
from twisted_detector.mqtt.network.patience import Patiences
from twisted_detector.mqtt.network.resolver import Resolver
from twisted_detector.mqtt.network.thread import OneThread
from twisted_detector.mqtt.network.will import WillLimits, WillTrials
from twisted_detector.mqtt.settings import MqttSettings

#: A thread that does not return is replaced so often; then attempts fail until one does.
MAX_THREADS_LOST = 4


class AttemptRunner:
    """Runs attempts, one at a time, each in the network thread.

    It remembers of the broker what makes the next attempt better than the last: at which of its addresses somebody let
    us in, how long it takes to answer, and what it takes of a will.

    :param loop_factory: makes the network side of one attempt; a double in tests, as ``thread_factory`` and
        ``resolver`` may be.
    :ivar loop: of the current attempt, None between attempts.
    :ivar threads_lost: threads that did not return.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        settings: MqttSettings,
        monotonic: Callable[[], float],
        loop_factory: Callable[..., NetworkLoop] = NetworkLoop,
        thread_factory: Callable[[], OneThread] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._monotonic = monotonic
        self._loop_factory = loop_factory
        self._thread_factory = thread_factory or partial(OneThread, reactor, "mqtt")
        self._thread = self._thread_factory()
        self._stuck: list[OneThread] = []
        self._resolver = resolver or Resolver(reactor)
        self._patience = Patiences()
        self._wills = WillTrials()
        self._good: Address | None = None
        #: Addresses where somebody accepted TCP, and nobody let us in since: the latest at the end.
        self._bad: list[Address] = []
        self.loop: NetworkLoop | None = None
        self.threads_lost = 0

    @property
    def warning(self) -> str:
        """What the broker does not take of our will, in plain words; "" for nothing."""
        limits = str(self._wills.limits)
        return limits and f"the broker does not take our will as it is; it takes {limits}, and we keep to that"

    async def attempt(
        self,
        *,
        protocol: int,
        session: int,
        will: bytes | None,
        wanted: Callable[[], bool],
        deliver: Callable[[NetworkLoop, LoopReport], None],
        client_id: str | None = None,
    ) -> Ending:
        """Connect, and serve the connection until it ends. Never raises.

        :param wanted: asked once the name is resolved: whether the attempt is still to be made.
        :param deliver: gets each report, on the reactor's thread.
        :param client_id: another than that of the settings.
        """
        settings = self._settings
        try:
            addresses = await self._resolver.resolve(settings.host, settings.port)
        except AttemptFailed as failed:
            return Ending(failed.reason, failed.terminal)
        if not wanted():
            return Ending("abandoned")
        job = Job(
            settings=settings,
            protocol=protocol,
            session=session,
            will=will,
            addresses=self._in_order(addresses),
            client_id=client_id or settings.client_id,
            patience=self._patience,
        )
        limits = self._wills.next(self._monotonic())

        def noted(loop: NetworkLoop, report: LoopReport) -> None:
            if (connack := report.connack) is not None:
                tells_none = connack.protocol == MQTT_5 and connack.retains and connack.maximum_qos > 0
                self._wills.let_in(limits, tells_none=tells_none)
            deliver(loop, report)

        ending = await self._run(job, limits, noted)
        closed = ending.closed and not ending.accepted and will is not None
        if self._wills.record(self._monotonic(), closed=closed, limits=ending.will_limits) and wanted():
            await self._try_will(job)
        return ending

    async def _try_will(self, job: Job) -> None:
        """Try another will, right after the broker closed the connection, for ours or for whatever reason."""
        accepted = False

        def deliver(loop: NetworkLoop, report: LoopReport) -> None:
            nonlocal accepted
            if report.connack is not None:
                accepted = True
                loop.close()

        limits = self._wills.candidate
        await self._run(job, limits, deliver)
        if self._wills.tried(self._monotonic(), accepted=accepted):
            self.log.warn(
                "The broker closes the connection when it is told our will as it is, and lets us in with another: it"
                " takes {limits}; we keep to that",
                limits=str(limits) or "our will again",
            )

    async def _run(self, job: Job, limits: WillLimits, deliver: Callable[[NetworkLoop, LoopReport], None]) -> Ending:
        """Make one attempt in the network thread."""
        try:
            thread = self._free_thread()
        except AttemptFailed as failed:
            return Ending(failed.reason, failed.terminal)
        job = replace(job, will_limits=limits, will=job.will if limits.any else None)
        try:
            loop = self._loop_factory(
                job, deliver=partial(self._reactor.callFromThread, deliver), monotonic=self._monotonic
            )
        except OSError as error:  # its wake sockets: no descriptor is left
            return Ending(describe_error(error)[0])
        self.loop = loop
        try:
            ending = await thread.run(loop.run)
        except Exception:
            self.log.failure("The network thread failed; it is started again")
            ending = Ending("the network thread failed because of an internal error; see the log")
        if self.loop is loop:
            self.loop = None
        loop.dispose()
        if thread in self._stuck:
            self._stuck.remove(thread)
            thread.stop()
        self._learn(ending)
        return ending

    def _in_order(self, addresses: tuple[Address, ...]) -> tuple[Address, ...]:
        """The address that let us in last first; those behind which nobody did last, the longest ago before others.

        A proxy, or the kernel of a broker that is frozen, accepts TCP although no broker is there.
        """
        self._bad = [one for one in self._bad if one in addresses]
        return tuple(
            sorted(addresses, key=lambda one: (self._bad.index(one) if one in self._bad else -1, one != self._good))
        )

    def _learn(self, ending: Ending) -> None:
        where = ending.address
        if where is None:
            return
        if where in self._bad:
            self._bad.remove(where)
        if ending.accepted:
            self._good = where
        else:
            self._bad.append(where)

    def _free_thread(self) -> OneThread:
        if self._thread.busy:
            if len(self._stuck) >= MAX_THREADS_LOST:
                raise AttemptFailed("the network threads do not come back")
            self.threads_lost += 1
            self.log.error("The network thread does not return; it is replaced")
            self._stuck.append(self._thread)
            self._thread = self._thread_factory()
        return self._thread

    def close(self) -> None:
        """End the current attempt or connection, with DISCONNECT when it stands."""
        if self.loop is not None:
            self.loop.close()

    def stop(self) -> None:
        """Join the threads, but for those that hang."""
        if not self._thread.stop():
            self.log.error("The network thread does not stop; it is abandoned")
        self._thread = self._thread_factory()
        self._resolver.stop()
