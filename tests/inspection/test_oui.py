"""Whom a MAC was registered for: from a registry of our own making, and from the one that is installed."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.inspection.oui import MAX_CACHED, MAX_NAME, OuiRegistry, registry_files
from twisted_detector.model import Mac


def mac(text: str) -> Mac:
    return Mac.parse(text)


class OurRegistry(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.write(
            "oui", ["00-11-22", "00-1B-C5", "AC-CC-8E"], ["First Ltd.", "IEEE Registration Authority", "Ax\x07is " * 30]
        )
        self.write("iab", [], [])
        record = b"00-1B-C5   (hex)\t\tSmall Block GmbH\r\nABC000-ABCFFF     (base 16)\r\n"
        (self.directory / "iab.txt").write_bytes(b"header\n" + record)
        number = int.from_bytes(bytes.fromhex("001BC5ABC000"), "big") >> 12
        (self.directory / "iab.idx").write_text(f"1,2,3\n{number},7,{len(record)}\n")
        self.registry = OuiRegistry(self.directory)

    def write(self, kind: str, blocks: list[str], names: list[str]) -> None:
        text, lines = b"header\n", []
        for block, name in zip(blocks, names, strict=True):
            record = f"{block}   (hex)\t\t{name}\r\n{block} (base 16)\t\t{name}\r\n\t\tStreet\r\n".encode()
            lines.append(f"{int(block.replace('-', ''), 16)},{len(text)},{len(record)}")
            text += record
        (self.directory / f"{kind}.txt").write_bytes(text)
        (self.directory / f"{kind}.idx").write_text("\n".join(lines) + "\n" * bool(lines))

    def test_names(self) -> None:
        """A block has a name, bounded and printable; the first and the last of the index are found as any other."""
        self.assertEqual("First Ltd.", self.registry.vendor_of(mac("00:11:22:33:44:55")))
        name = self.registry.vendor_of(mac("ac:cc:8e:00:00:01"))
        self.assertTrue(name.startswith("Axis Axis") and name.isprintable() and len(name) <= MAX_NAME)

    def test_small_blocks(self) -> None:
        """Where IEEE gave a block out in pieces, the piece has the name, and a piece that is not known has none."""
        self.assertEqual("Small Block GmbH", self.registry.vendor_of(mac("00:1b:c5:ab:cf:ff")))
        self.assertEqual("", self.registry.vendor_of(mac("00:1b:c5:00:00:00")))

    def test_nobody(self) -> None:
        """Nobody made a MAC that is locally administered or in no block."""
        for text in (
            "02:11:22:33:44:55",
            "06:11:22:00:00:00",
            "00:11:23:00:00:00",
            "00:00:11:22:00:00",
        ):
            self.assertEqual("", self.registry.vendor_of(mac(text)))

    def test_what_is_broken(self) -> None:
        """A registry that is damaged or gone gives no name, and nothing else happens."""
        (self.directory / "oui.idx").write_bytes(b"\n4386,x,3\n")
        self.assertEqual("", self.registry.vendor_of(mac("00:11:22:33:44:55")))
        (self.directory / "oui.idx").write_bytes(b"")
        self.assertEqual("", self.registry.vendor_of(mac("00:11:23:33:44:55")))
        (self.directory / "oui.idx").unlink()
        self.assertEqual("", self.registry.vendor_of(mac("00:11:24:33:44:55")))

    def test_bound(self) -> None:
        """However many are asked for, so many answers are remembered."""
        for number in range(MAX_CACHED + 50):
            self.registry.vendor_of(Mac.from_bytes(bytes([0, number // 256, number % 256, 0, 0, 1])))
        self.assertEqual(MAX_CACHED, len(self.registry._names))


class TheInstalledRegistry(SynchronousTestCase):
    def test_vendors_of_cameras(self) -> None:
        """The registry that is a requirement of ours names vendors of cameras."""
        self.assertIsNotNone(registry_files())
        registry = OuiRegistry()
        for text, word in (
            ("c0:56:e3:00:00:01", "Hikvision"),
            ("3c:ef:8c:00:00:01", "Dahua"),
            ("ac:cc:8e:00:00:01", "Axis"),
            ("00:40:8c:00:00:01", "Axis"),
            ("ec:71:db:00:00:01", "Reolink"),
            ("00:50:c2:00:00:01", "T.L.S."),
        ):
            self.assertIn(word, registry.vendor_of(mac(text)))
