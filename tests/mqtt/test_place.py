"""Where the broker is: in words, and kept."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.broker.place import FILE, BrokerPlace, KeptPlace, read_kept_place


class PlaceTests(SynchronousTestCase):
    def test_words(self) -> None:
        """The port that it really has stands there, and whose broker it is."""
        for place, text in (
            (BrokerPlace("b", 8883), "b, port 8883"),
            (BrokerPlace("127.0.0.1", 1883, "found"), "127.0.0.1, port 1883 (found on this machine)"),
            (BrokerPlace("127.0.0.1", 39385, "embedded"), "127.0.0.1, port 39385 (camdetect's own broker)"),
        ):
            self.assertEqual(text, place.document()["text"])
            self.assertEqual("", place.told)
        self.assertEqual("n: a", BrokerPlace("b", 1, "found", "n", "a").document()["told"])

    def test_kept(self) -> None:
        """What was kept is there at the next start, as long as the same port is wanted."""
        folder = Path(self.mktemp())
        self.assertIsNone(read_kept_place(folder, 1883))
        place = KeptPlace(1883, 39385, is_found=False)
        place.write(folder)
        self.assertEqual(place, read_kept_place(folder, 1883))
        self.assertIsNone(read_kept_place(folder, 1884))

    def test_no_such_file(self) -> None:
        """What is no such file counts for nothing."""
        folder = Path(self.mktemp())
        (folder / "broker").mkdir(parents=True)
        good = '"wanted": 1883, "port": 39385, "found": false'
        for text in (
            "", "[]", "7", "{}", "\xff", "[" * 1000, "{" + good.replace("39385", '"39385"') + "}",
            "{" + good.replace("39385", "0") + "}", "{" + good.replace("39385", "65536") + "}",
            "{" + good.replace("39385", "true") + "}", "{" + good.replace("false", "0") + "}",
        ):  # fmt: skip
            (folder / FILE).write_text(text, "latin-1")
            self.assertIsNone(read_kept_place(folder, 1883), text)
        (folder / FILE).write_text("{" + good + "}")
        self.assertIsNotNone(read_kept_place(folder, 1883))
