"""Search for programs by Multicast DNS: who answers for the kind that is asked for, and nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from twisted.internet.defer import Deferred

from tests.discovery.case import GroupCase
from tests.discovery.test_mdns import AXIS, answering, service
from twisted_detector.discovery.mdns.programs import HOME_ASSISTANT, MAX_PROGRAMS, ProgramSearch
from twisted_detector.wire.lan.dns_sd import kind_name
from twisted_detector.wire.lan.mdns import PTR, Question, is_response, parse, response

HOME = service(HOME_ASSISTANT, "Home", port=8123, host="home", address="10.0.0.66")


class Programs(GroupCase):
    def make(self) -> ProgramSearch:
        return ProgramSearch(
            self.clock,
            self.neighbours,
            random=Random(7),
            monotonic=self.clock.seconds,
            open_multicast=self.lan.open_multicast,
        )

    def found(self) -> Sequence[str]:
        searching = Deferred.fromCoroutine(self.discovery.addresses())
        self.run_until(self.clock.seconds() + 1.1)
        addresses: Sequence[str] = self.successResultOf(searching)
        return addresses

    def test_senders(self) -> None:
        """The address is the one that an answer came from, not the one that it names; other kinds are passed over."""
        self.lan.attach("10.0.0.7", answering(*HOME))
        self.lan.attach("10.0.0.5", answering(*AXIS))
        self.assertEqual(("10.0.0.7",), self.found())
        self.assertEqual((), tuple(self.sink.sightings))

    def test_one_question(self) -> None:
        """One question goes out on each interface that has multicast, once, to be answered by unicast."""
        asked: list[bytes] = []
        self.lan.attach("10.0.0.7", lambda data, sender: asked.append(data) or ())  # type: ignore[func-returns-value]
        self.found()
        self.assertEqual([False], [is_response(data) for data in asked])
        self.assertEqual((Question(kind_name(HOME_ASSISTANT), PTR, unicast=True),), tuple(parse(asked[0]).questions))

    def test_others(self) -> None:
        """Who is not on the link, says goodbye, or sends rubbish, is not found; nor are more than there may be."""
        gone = service(HOME_ASSISTANT, "Gone", ttl=0)
        self.lan.attach("203.0.113.5", answering(*HOME))
        self.lan.attach("10.0.0.8", lambda data, sender: [response(gone[:1], message_id=parse(data).id)])
        self.lan.attach("10.0.0.9", lambda data, sender: [b"\x00\x00\x84\x00" + b"\xff" * 40])
        self.assertEqual((), self.found())
        for number in range(2 * MAX_PROGRAMS):
            self.lan.attach(f"10.0.0.{100 + number}", answering(*HOME))
        self.assertEqual(MAX_PROGRAMS, len(self.found()))
