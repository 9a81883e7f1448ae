"""Events go in; each output words them, and its messages go to the publisher."""

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


@implementer(IEventListener)
class OutputDispatcher:
    """Lets every output word every event; an output that fails hurts no other.

    :ivar refused: messages that the publisher did not take, by kind of error.
    """

    log = make_logger()

    def __init__(self, outputs: Sequence[IOutput], *, publish: Callable[[Message], Deferred[None]]) -> None:
        self._outputs = tuple(outputs)
        self._publish = publish
        self.refused: Counter[str] = Counter()

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        for output in self._outputs:
            try:
                for message in output.messages(event):
                    self._say(message)
            except Exception:
                self.log.failure("Output {output} failed on {event}", output=output.name, event=type(event).__name__)

    def _say(self, message: Message) -> None:
        try:
            said = self._publish(message)
        except Stopped:
            # What happens during a stop is told by nobody any more.
            self.refused["Stopped"] += 1
            return
        except PublishError as error:
            self.refused[type(error).__name__] += 1
            self.log.warn("{topic} was not taken: {error}", topic=message.topic, error=str(error))
            return
        # What happened to it later is the outbox's to count and to tell.
        said.addErrback(lambda failure: failure.trap(PublishError) and None)
