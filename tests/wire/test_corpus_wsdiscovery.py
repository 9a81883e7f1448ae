"""Captured WS-Discovery datagrams and scopes are read as their notes say."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests import corpus
from twisted_detector.wire.lan.wsdiscovery import is_camera, parse
from twisted_detector.wire.onvif.scopes import read_scopes
from twisted_detector.wire.onvif.xaddrs import choose_xaddrs


class CorpusTests(SynchronousTestCase):
    """The world's datagrams."""

    if corpus.SKIP:
        skip = corpus.SKIP

    def test_datagrams(self) -> None:
        """Every captured answer gives its devices, and somebody else's probe gives none."""
        cases = corpus.cases("wsd.probematches", "wsd.other")
        self.assertTrue(cases)
        for case in cases:
            announcement = parse(case.data)
            self.assertEqual(announcement.kind == "probe_matches", case.kind == "wsd.probematches", case.id)
            self.assertEqual(
                [
                    {
                        "epr": match.endpoint_reference,
                        "types_local": list(match.local_types),
                        "xaddrs": list(match.xaddrs),
                        "scopes": list(match.scopes),
                    }
                    for match in announcement.matches
                ],
                case.expect["matches"],
                case.id,
            )
            self.assertEqual(announcement.relates_to, case.expect.get("relates_to") or "", case.id)
            for match in announcement.matches:
                self.assertTrue(is_camera(match), case.id)
                self.assertEqual(
                    choose_xaddrs(match.xaddrs, match.xaddrs[0].split("/")[2].split(":")[0], ()), match.xaddrs
                )

    def test_scopes(self) -> None:
        """Hardware, manufacturer and MAC are found in captured scopes."""
        cases = corpus.cases("wsd.scopes")
        self.assertTrue(cases)
        for case in cases:
            facts = read_scopes(json.loads(case.data))
            self.assertEqual(facts.hardware, case.expect["hardware"], case.id)
            self.assertEqual(facts.manufacturer, case.expect["upstream_manufacturer"], case.id)
            self.assertEqual(str(facts.mac) if facts.mac else None, case.expect.get("mac"), case.id)
