"""The interfaces of this machine go in; the ONVIF devices that answer a Probe, or say Hello and Bye, come out.

Sources: WS-Discovery (April 2005), ONVIF Core section 7; SOAP-over-UDP 1.1 section 3.2 and appendix I for repetitions.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial

from zope.interface import implementer

from twisted_detector.discovery.group_discoverer import GroupDiscoverer, Opened, Questions
from twisted_detector.discovery.multicast import Group
from twisted_detector.discovery.wsd_hearing import METHOD, Hearing
from twisted_detector.interfaces import IDiscoverer, ISightingSink, IWatcher
from twisted_detector.wire import wsdiscovery as wire

#: SOAP-over-UDP appendix I. So many after the first: cameras in Wi-Fi power save miss a whole burst.
_REPEATS = 3
_MIN_DELAY, _MAX_DELAY, _UPPER_DELAY = 0.05, 0.25, 0.5


@implementer(IDiscoverer, IWatcher)
class WSDiscovery(GroupDiscoverer):
    """Probes every multicast interface when told to, and listens for Hello and Bye all the time.

    ``listen``: devices wait up to 0.5 s before they answer, and the last repetition leaves after 1.25 s at worst: 2 is
    the least that is fair.
    """

    name = METHOD
    protocol = "WS-Discovery"
    group = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT)

    def hearing(self, sink: ISightingSink, asked: set[str] | None, lasting: float | None) -> Hearing:
        """See :class:`GroupDiscoverer`."""
        return Hearing(
            sink,
            clock=self._reactor,
            monotonic=self._monotonic,
            counts=self.counts,
            complain=self.complain,
            asked=asked,
            lasting=lasting,
        )

    def ask(self, opened: Sequence[Opened], questions: Questions) -> int:
        """See :class:`GroupDiscoverer`: every dialect from every address, each with an id of its own."""
        return sum(self._probe(one, dialect, questions) for dialect in wire.Dialect for one in opened)

    def _probe(self, where: Opened, dialect: wire.Dialect, questions: Questions) -> bool:
        """Send the first probe of one dialect and arrange for its repetitions; whether the first went out."""
        message_id = uuid.UUID(int=self._random.getrandbits(128), version=4).urn
        questions.asked.add(message_id)
        data = wire.probe(message_id, dialect)

        def send(left: int, delay: float) -> bool:
            if left:
                questions.later(delay, partial(send, left - 1, min(2 * delay, _UPPER_DELAY)))
            return self.send(where.interface, where.port, data)

        return send(_REPEATS, self._random.uniform(_MIN_DELAY, _MAX_DELAY))
