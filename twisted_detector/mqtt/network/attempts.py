"""Runner of connection attempts: one at a time in the network thread, which is replaced when it does not return."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from txaio.tx import make_logger

from twisted_detector.mqtt.network.buffered_socket import AttemptFailed, describe_error
from twisted_detector.mqtt.network.loop import LoopReport, NetworkLoop
from twisted_detector.mqtt.network.paho_session import Ending, Job
from twisted_detector.mqtt.network.resolver import Resolver
from twisted_detector.mqtt.network.thread import OneThread
from twisted_detector.mqtt.settings import MqttSettings

#: A thread that does not return is replaced so often; then attempts fail until one does.
MAX_THREADS_LOST = 4


class AttemptRunner:
    """Runs attempts, one at a time, each in the network thread.

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
        self.loop: NetworkLoop | None = None
        self.threads_lost = 0

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
            thread = self._free_thread()
        except AttemptFailed as failed:
            return Ending(failed.reason, failed.terminal)
        if not wanted():
            return Ending("abandoned")
        job = Job(
            settings=settings,
            protocol=protocol,
            session=session,
            will=will,
            addresses=addresses,
            client_id=client_id or settings.client_id,
        )
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
        return ending

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
