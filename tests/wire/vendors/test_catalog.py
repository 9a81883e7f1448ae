"""Tests of ``wire.vendors.catalog``: what must hold of all protocols together."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz import vendors
from twisted_detector.errors import RemoteError
from twisted_detector.model import Mac
from twisted_detector.model.announced import Announced
from twisted_detector.wire.vendors import catalog
from twisted_detector.wire.vendors.catalog import PROTOCOLS
from twisted_detector.wire.vendors.protocol import BROADCAST, Answer
from twisted_detector.wire.vendors.vivotek import Vivotek

#: Modules of the folder in which no protocol is.
NO_PROTOCOL = {"__init__", "catalog", "fields", "protocol"}
#: Inputs for each protocol; ``make fuzz-vendors`` has 10^6.
RUNS = 1_000
#: Datagrams that a sweep may send by one interface.
MAX_QUERIES = 40


class Catalog(SynchronousTestCase):
    """All protocols at once."""

    def test_complete(self) -> None:
        """Each module of the folder has a protocol in the catalog; names are unique and fit for counts and logs."""
        modules = {path.stem for path in Path(catalog.__file__).parent.glob("*.py")} - NO_PROTOCOL
        self.assertEqual({type(one).__module__.rpartition(".")[2] for one in PROTOCOLS}, modules)
        names = [one.name for one in PROTOCOLS]
        self.assertEqual(len(set(names)), len(names))
        for name in names:
            self.assertRegex(name, r"\A[a-z0-9-]+\Z")

    def test_few_queries(self) -> None:
        """A search by all protocols is few datagrams, each to a port that devices answer at and to all of a link."""
        queries = [query for one in PROTOCOLS for query in one.queries(bytes, "10.0.0.9")]
        self.assertLessEqual(sum(query.times for query in queries), MAX_QUERIES)
        for query in queries:
            self.assertTrue(query.to == BROADCAST or 224 <= int(query.to.partition(".")[0]) < 240, query)
            self.assertLessEqual(len(query.data), 512, query)

    def test_searches_are_no_answers(self) -> None:
        """What any of them sends is a device's answer to none, whoever hears it."""
        for sender in PROTOCOLS:
            for data in vendors.searches(sender):
                for reader in (one for one in PROTOCOLS if one.recognises(data)):
                    try:
                        self.assertIsNone(vendors.drive(reader, data), (sender.name, reader.name))
                    except RemoteError:
                        self.assertIsNot(sender, reader)

    def test_told_apart(self) -> None:
        """An answer is read by its own protocol and by no other: makers share ports."""
        for sender in PROTOCOLS:
            for data in vendors.answers(sender):
                readers = []
                for reader in (one for one in PROTOCOLS if one.recognises(data)):
                    try:
                        vendors.drive(reader, data)
                    except RemoteError:
                        continue
                    readers.append(type(reader).__module__)
                self.assertEqual(set(readers), {type(sender).__module__}, data)

    def test_simulated(self) -> None:
        """Each has a simulated device that answers its search with what the protocol reads."""
        for protocol in PROTOCOLS:
            said = vendors.answers(protocol)
            self.assertTrue(said, protocol.name)
            for data in said:
                found = vendors.drive(protocol, data)
                self.assertTrue(found is not None and (found.mac or found.vendor_id), (protocol.name, data))

    def test_fuzz(self) -> None:
        """Noise, and answers that were changed, cut and grown, are read or refused."""
        for protocol in PROTOCOLS:
            seeds = [*vendors.answers(protocol), *vendors.searches(protocol)]
            read = refused = 0
            for data in islice(vendors.inputs(seeds, Random(protocol.name)), RUNS):
                try:
                    read += vendors.drive(protocol, data) is not None
                except RemoteError:
                    refused += 1
            self.assertTrue(read and refused, protocol.name)


class Stumbling(Vivotek):
    """A protocol that raises what it must not, of datagrams that are cut off."""

    def parse(self, data: bytes) -> Answer | None:
        return super().parse(data) if data[5] else None


class Babbling(Vivotek):
    """A protocol that hands out what it was given."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def parse(self, data: bytes) -> Answer | None:
        return self.answer


class Harness(SynchronousTestCase):
    """That the fuzzing finds what it looks for."""

    def test_exceptions(self) -> None:
        """An exception that is no refusal is a surprise; it ends the run, and the table tells of it."""
        found = vendors.fuzz(Stumbling(), 1_000)
        self.assertIn("IndexError", found.surprise)
        self.assertLess(found.inputs, 1_000)
        self.assertIn("| vivotek | ", vendors.table([found]))
        self.assertIn("| **1** |", vendors.table([found]))

    def test_nothing_found(self) -> None:
        """A protocol that is well: each input is counted, and both kinds of end come about."""
        found = vendors.fuzz(Vivotek(), 500)
        self.assertEqual((found.inputs, found.surprise), (500, ""))
        self.assertTrue(found.read and found.refused and found.recognise and found.stranger and found.read_time)
        self.assertLess(found.read + found.refused, found.inputs)  # the rest are searches
        self.assertEqual(found.read, vendors.fuzz(Vivotek(), 500).read)

    def test_unfit_values(self) -> None:
        """Texts, ports, numbers and MACs that no topic may have are surprises."""
        for answer in (
            Answer(Announced(model="\x1b[2J")),
            Answer(Announced(name="n" * 257)),
            Answer(Announced(channels=-1)),
            Answer(Announced(), vendor_id="a\nb"),
            Answer(Announced(), http_port=65_536),
            Answer(Announced(), rtsp_port=-1),
            Answer(Announced(), mac=Mac("00:0B:5D:A1:B2:C3")),
        ):
            self.assertRaises(AssertionError, vendors.drive, Babbling(answer), b"")
        good = Answer(Announced(model="Gate"), Mac("00:0b:5d:a1:b2:c3"))
        self.assertIs(vendors.drive(Babbling(good), b""), good)
