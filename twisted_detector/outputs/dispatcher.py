"""Dispatcher of events to outputs: what each output makes of an event is published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import PublishError, Stopped
from twisted_detector.events import Event
from twisted_detector.interfaces import IEventListener, IOutput
from twisted_detector.model import Message
from twisted_detector.outputs.voice import Admission, Voice


@implementer(IEventListener)
class OutputDispatcher:
    """Gives every event to every output; an output that fails does not hinder another.

    :param voice: says what is published of an event; outputs are not asked about one of which nothing is.
    :ivar refused: messages that the publisher did not take, by kind of error.
    """

    log = make_logger()

    def __init__(
        self,
        outputs: Sequence[IOutput],
        *,
        publish: Callable[[Message], Deferred[None]],
        voice: Voice = Voice(),  # noqa: B008  a frozen value
    ) -> None:
        self._voice = voice
        self._outputs = tuple(outputs)
        self._publish = publish
        self.refused: Counter[str] = Counter()

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        admission = self._voice.admit(event)
        for output in self._outputs if admission is not Admission.NOTHING else ():
            try:
                for message in output.messages(event):
                    if admission is Admission.ALL or not message.retain:
                        self._send(message)
            except Exception:
                self.log.failure("Output {output} failed on {event}", output=output.name, event=type(event).__name__)

    def _send(self, message: Message) -> None:
        try:
            sending = self._publish(message)
        except Stopped:
            # Nothing is published any more of what happens during a stop.
            self.refused["Stopped"] += 1
            return
        except PublishError as error:
            self.refused[type(error).__name__] += 1
            self.log.warn("{topic} was not accepted: {error}", topic=message.topic, error=str(error))
            return
        # What happens to it later is the outbox's to count and to report.
        sending.addErrback(lambda failure: failure.trap(PublishError) and None)
