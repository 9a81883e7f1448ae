"""Two nodes and one running Frigate, of every version: what the one sends that speaks for a camera, and the other."""

from __future__ import annotations

from typing import Any

from tests.outputs.case import NAME
from tests.outputs.frigate_case import Case, camera, document, values
from tests.outputs.frigate_rules import load
from tests.peers.exchange import Direct
from tests.peers.frigate import VERSIONS, Frigate
from twisted_detector.model import Login, Secret
from twisted_detector.outputs.frigate.api import FrigateApi
from twisted_detector.outputs.sync.seams import Entries, Sharing

MET = frozenset({NAME})
OURS, OTHERS = Sharing(MET), Sharing(MET, MET)
GONE = Sharing(MET, MET, staying=MET)


class Shared(Case):
    def asked_by(self, double: Frigate) -> tuple[FrigateApi, Direct]:
        api = self.api(double)
        return api, self.http

    def blocks(self, double: Frigate) -> dict[str, Any]:
        return dict(load(double.config.text)["cameras"])

    def path(self, double: Frigate) -> str:
        return str(self.blocks(double)[NAME]["ffmpeg"]["inputs"][0]["path"])

    def said(self, name: str, address: str = "10.0.0.1") -> Entries:
        """What a node with a login of this name says."""
        return document(camera(1, address), login=Login(name, Secret("-"))).entries

    def known(self, *names: str) -> dict[str, str]:
        return values(*(document(camera(1), login=Login(name, Secret("-"))) for name in names))

    def test_takeover(self) -> None:
        """The new one saves the file once, the former one not at all, whatever it sees and forgets."""
        for version in VERSIONS:
            double = self.double(version, environment=self.known("north", "south"))
            north, asked_by_north = self.asked_by(double)
            south, asked_by_south = self.asked_by(double)
            written = self.deliver(north, self.said("north")).written
            south.share(OTHERS)
            done = self.deliver(south, self.said("south"))
            self.assertEqual(((NAME,), {}), (done.left, done.written))
            self.assertEqual([], asked_by_south.changing)
            asked_by_north.asked.clear()
            south.share(OURS)
            self.assertEqual((NAME,), tuple(self.deliver(south, self.said("south")).written))
            self.assertEqual(1, sum("config/save" in one for one in asked_by_south.changing))
            text = double.config.text
            north.share(OTHERS)
            for sharing, wanted in ((OTHERS, self.said("north", "10.0.0.77")), (GONE, {})):
                north.share(sharing)
                done = self.deliver(north, wanted, written)
                self.assertEqual(((NAME,), {}), (done.left, done.written))
            self.assertEqual(([], text), (asked_by_north.changing, double.config.text))

    def test_variables_that_frigate_does_not_know(self) -> None:
        """The new one's login is refused: what the former one wrote stays, whatever the new one wrote before it."""
        for version in VERSIONS:
            double = self.double(version, environment=self.known("north"))
            north, _ = self.asked_by(double)
            south, asked = self.asked_by(double)
            self.deliver(north, self.said("north", "10.0.0.77"))
            text = double.config.text
            for base in ({}, self.said("south"), self.said("older")):
                south.share(OURS)
                asked.asked.clear()
                done = self.deliver(south, self.said("south"), base)
                self.assertIn("does not know the variables", done.refused[NAME])
                self.assertEqual((text, {}, ()), (double.config.text, done.written, done.left))
                self.assertEqual(1, sum("config/save" in one for one in asked.changing), "it is asked once")

    def test_looks(self) -> None:
        """What was judged when another spoke for the camera is judged anew when we do, though nothing else changed."""
        for version in VERSIONS:
            double = self.double(version, environment=self.known("north", "south"))
            north, _ = self.asked_by(double)
            south, _ = self.asked_by(double)
            self.deliver(north, self.said("north", "10.0.0.77"))
            for sharing, address in ((OTHERS, "10.0.0.77"), (OTHERS, "10.0.0.77"), (OURS, "10.0.0.1")):
                south.share(sharing)
                self.deliver(south, self.said("south"))
                self.assertIn(f"@{address}:", self.path(double))
