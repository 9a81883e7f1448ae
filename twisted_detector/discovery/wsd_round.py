"""Interfaces and messages go in; each message leaves on each of them, repeated as SOAP-over-UDP wants it.

One round of asking has its own sockets and ends with :meth:`Round.close`, whatever became of it.

Source: SOAP-over-UDP 1.1, section 3.2 and appendix I.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.discovery.multicast import Group, MulticastPort, OpenMulticast
from twisted_detector.discovery.wsd_hearing import Complain, Hearing
from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Interface
from twisted_detector.wire import wsdiscovery as wire

GROUP = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT)
#: Stands for "wherever the kernel's routes lead", for what is sent to one address.
ANYWHERE = Interface("", 0, "0.0.0.0", 0)
ANYWHERE_IPV6 = Interface("", 0, "::", 0)

#: Appendix I. So many after the first: cameras in Wi-Fi power save miss a whole burst.
REPEATS = 3
_MIN_DELAY, _MAX_DELAY, _UPPER_DELAY = 0.05, 0.25, 0.5

#: Makes the bytes of a message from its id.
Worded = Callable[[str], bytes]


class Round:
    """One round of asking.

    :param answered: is told which camera (EndpointReference) answered in which dialect.
    :param counts: where ``sent`` is counted, and what :class:`Hearing` counts.
    """

    def __init__(
        self,
        sink: ISightingSink,
        *,
        clock: IReactorTime,
        monotonic: Callable[[], float],
        random: Random,
        open_multicast: OpenMulticast,
        answered: Callable[[str, wire.Dialect], None],
        counts: Counter[str],
        complain: Complain,
    ) -> None:
        self._clock = clock
        self._random = random
        self._open_multicast = open_multicast
        self._counts = counts
        self._complain = complain
        self._asked: dict[str, wire.Dialect | None] = {}
        self._ports: list[tuple[Interface, MulticastPort]] = []
        self._repeats: dict[tuple[str, int], IDelayedCall] = {}
        self._answered_dialect = answered
        self._hearing = Hearing(
            sink,
            clock=clock,
            monotonic=monotonic,
            counts=counts,
            complain=complain,
            asked=self._asked,
            answered=self._answered,
        )

    def _answered(self, reference: str, message_id: str) -> None:
        dialect = self._asked.get(message_id)
        if dialect is not None:
            self._answered_dialect(reference, dialect)

    def open(self, interface: Interface, addresses: Sequence[Interface] = ()) -> None:
        """Ask from ``interface`` too; ``addresses`` are all those of its link."""
        ear = self._hearing.ear(interface.name, addresses)
        try:
            self._ports.append((interface, self._open_multicast(interface, GROUP, ear, member=False)))
        except OSError as problem:
            self._complain(f"probing from {interface.address} on {interface.name}", problem)

    def probe(self, dialects: Sequence[wire.Dialect], *, to: str = "", repeats: int = REPEATS) -> int:
        """Send a Probe in each dialect; how many went out at once."""
        return sum(
            self.ask(lambda message_id, one=dialect: wire.probe(message_id, one), dialect, to=to, repeats=repeats)  # type: ignore[misc]
            for dialect in dialects
        )

    def ask(self, worded: Worded, dialect: wire.Dialect | None = None, *, to: str = "", repeats: int = REPEATS) -> int:
        """Send one message from every interface, to the group or the address ``to``; how many went out at once."""
        sent = 0
        for number, (interface, port) in enumerate(self._ports):
            message_id = uuid.UUID(int=self._random.getrandbits(128), version=4).urn
            self._asked[message_id] = dialect
            delay = self._random.uniform(_MIN_DELAY, _MAX_DELAY)
            sent += self._send(number, interface, port, worded(message_id), message_id, to, repeats, delay)
        return sent

    def begin_letter(self, dialect: wire.Dialect) -> Callable[[str], bool]:
        """One Probe for many addresses; the returned function sends it to one, and says whether it went out."""
        message_id = uuid.UUID(int=self._random.getrandbits(128), version=4).urn
        self._asked[message_id] = dialect
        data = wire.probe(message_id, dialect)
        return lambda to: any(
            self._send(number, interface, port, data, message_id, to, 0, 0.0)
            for number, (interface, port) in enumerate(self._ports)
        )

    def _send(
        self,
        number: int,
        interface: Interface,
        port: MulticastPort,
        data: bytes,
        message_id: str,
        to: str,
        left: int,
        delay: float,
    ) -> int:
        if left:
            following = (number, interface, port, data, message_id, to, left - 1, min(2 * delay, _UPPER_DELAY))
            self._repeats[message_id, number] = self._clock.callLater(delay, self._send, *following)
        try:
            port.send(data, to)
        except OSError as problem:
            where = f"{interface.address} on {interface.name}" if interface.name else "here"
            self._complain(f"probing {to} from {where}" if to else f"probing from {where}", problem)
            return 0
        self._counts["sent"] += 1
        return 1

    def close(self) -> None:
        """No repetition leaves any more, and nothing is heard."""
        for call in self._repeats.values():
            if call.active():
                call.cancel()
        for _, port in self._ports:
            port.close()
        self._repeats.clear()
        self._ports.clear()
