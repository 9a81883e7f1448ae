"""Lines and deeds go in; a picture that an XML parser takes, with all of them in it, comes out."""

from __future__ import annotations

from lxml import etree
from twisted.trial.unittest import SynchronousTestCase

from tests.soak.drawing import LEFT, RIGHT, WIDTH, Line, Panel, draw
from tests.soak.scenario import Deed

SVG = "{http://www.w3.org/2000/svg}"


class DrawingTests(SynchronousTestCase):
    def draw(self, *panels: Panel, deeds: tuple[Deed, ...] = ()) -> etree._Element:
        return etree.fromstring(draw("Soak & <more>", 600, panels, deeds).encode())

    def test_lines(self) -> None:
        """Each point of a line stands in its panel: left to right by time, higher where the value is higher."""
        root = self.draw(Panel("memory", [Line("rss", [(0, 10), (300, 30), (600, 20)])]))
        points = [tuple(map(float, one.split(","))) for one in root.find(f"{SVG}polyline").get("points").split()]
        self.assertEqual([LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT], [x for x, _ in points])
        self.assertTrue(points[0][1] > points[2][1] > points[1][1])

    def test_scale(self) -> None:
        """A scale has three to six round numbers, whatever the values are."""
        for most in (1, 3, 7, 24, 80, 99_000, 1_234_567):
            root = self.draw(Panel("x", [Line("y", [(0, 0), (600, most)])]))
            numbers = [
                one.text for one in root.iter(f"{SVG}text") if one.text.replace(",", "").replace(".", "").isdigit()
            ]
            self.assertTrue(2 <= len(numbers) <= 7, (most, numbers))

    def test_nothing(self) -> None:
        """Without samples there is still a picture."""
        self.assertEqual(1, len(list(self.draw(Panel("x", [Line("y", [])])).iter(f"{SVG}polyline"))))

    def test_deeds(self) -> None:
        """Every deed is a bar with its words, as long as it lasted, on the line of its kind."""
        deeds = (Deed("disk", 60, 120), Deed("move", 300, 300, (1, 2)), Deed("disk", 400, 410))
        root = self.draw(Panel("x", []), deeds=deeds)
        bars = [one for one in root.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None]
        self.assertEqual({str(deed) for deed in deeds}, {one.find(f"{SVG}title").text for one in bars})
        move, first, second = bars
        self.assertEqual(first.get("y"), second.get("y"))
        self.assertNotEqual(first.get("y"), move.get("y"))
        self.assertLess(abs(60 / 600 * (WIDTH - LEFT - RIGHT) - float(first.get("width"))), 0.1)

    def test_marks(self) -> None:
        """What was ours is another colour than what was the scenario's."""
        root = self.draw(Panel("lost", [Line("n", [(0, 0)])], marks=[(10, False), (20, True)]))
        self.assertEqual(2, len({one.get("fill") for one in root.iter(f"{SVG}circle")}))
