"""One attempt's particulars go in; how it ended comes out, whatever becomes of the thread that made it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from txaio.tx import make_logger

from twisted_detector.mqtt.network.buffered_socket import AttemptFailed, in_words
from twisted_detector.mqtt.network.loop import LoopReport, NetworkLoop
from twisted_detector.mqtt.network.paho_session import Ending, Job
from twisted_detector.mqtt.network.resolver import Resolver
from twisted_detector.mqtt.network.thread import OneThread
from twisted_detector.mqtt.settings import MqttSettings

#: A thread that does not come back is replaced so often; then attempts fail until one does.
MAX_THREADS_LOST = 4


class Network:
    """Runs attempts, one at a time, each in the network thread.

    :param client_factory: makes the network side of one attempt.
    :ivar link: that of the current attempt, None between attempts.
    :ivar threads_lost: threads that did not come back.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        settings: MqttSettings,
        monotonic: Callable[[], float],
        client_factory: Callable[..., NetworkLoop] = NetworkLoop,
        thread_factory: Callable[[], OneThread] | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._monotonic = monotonic
        self._client_factory = client_factory
        self._thread_factory = thread_factory or partial(OneThread, reactor, "mqtt")
        self._thread = self._thread_factory()
        self._stuck: list[OneThread] = []
        self._resolver = resolver or Resolver(reactor)
        self.link: NetworkLoop | None = None
        self.threads_lost = 0

    async def attempt(
        self,
        *,
        protocol: int,
        session: int,
        will: bytes | None,
        wanted: Callable[[], bool],
        deliver: Callable[[NetworkLoop, LoopReport], None],
    ) -> Ending:
        """Connect and serve until it ends. Never raises.

        :param wanted: whether it is still wanted once the name is resolved.
        :param deliver: gets each report, on the reactor's thread.
        """
        settings = self._settings
        try:
            addresses = await self._resolver.resolve(settings.host, settings.port)
            thread = self._free_thread()
        except AttemptFailed as failed:
            return Ending(failed.reason, failed.terminal)
        if not wanted():
            return Ending("abandoned")
        job = Job(settings=settings, protocol=protocol, session=session, will=will, addresses=addresses)

        def hand_over(report: LoopReport) -> None:
            self._reactor.callFromThread(deliver, link, report)

        try:
            link: NetworkLoop = self._client_factory(
                job,
                deliver=hand_over,
                monotonic=self._monotonic,
            )
        except OSError as error:  # its wake sockets: no descriptor is left
            return Ending(in_words(error)[0])
        self.link = link
        try:
            ending = await thread.run(link.run)
        except Exception as error:
            self.log.failure("The network thread failed; it is started again")
            ending = Ending(f"the network thread failed: {type(error).__name__}")
        if self.link is link:
            self.link = None
        link.dispose()
        if thread in self._stuck:
            self._stuck.remove(thread)
            thread.stop()
        return ending

    def _free_thread(self) -> OneThread:
        if self._thread.busy:
            if len(self._stuck) >= MAX_THREADS_LOST:
                raise AttemptFailed("the network threads do not come back")
            self.threads_lost += 1
            self.log.error("The network thread does not come back; another takes its place")
            self._stuck.append(self._thread)
            self._thread = self._thread_factory()
        return self._thread

    def close(self) -> None:
        """End the current attempt or connection, with DISCONNECT when it stands."""
        if self.link is not None:
            self.link.close()

    def stop(self) -> None:
        """Join the threads, but for those that hang."""
        if not self._thread.stop():
            self.log.error("The network thread does not end; it is left behind")
        self._thread = self._thread_factory()
        self._resolver.stop()
