"""The MAC of the interface that has an address."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Mac
from twisted_detector.testing.simulator.mac import mac_of_address


class Hardware(SynchronousTestCase):
    def test_mac_of_an_interface(self) -> None:
        """The MAC is read where the kernel shows it; unknown addresses, loopback and odd contents have none."""
        root = Path(self.mktemp())
        for name, text in (("eth0", "00:40:8C:01:02:03\n"), ("lo", "00:00:00:00:00:00\n"), ("ib0", "80:00" * 10)):
            (root / name).mkdir(parents=True)
            (root / name / "address").write_text(text)
        names = {"10.0.0.1": "eth0", "127.0.0.1": "lo", "10.0.0.2": "ib0", "10.0.0.3": "gone"}
        found = {
            address: mac_of_address(address, interface=lambda asked: names.get(asked, ""), root=root)
            for address in (*names, "10.0.0.4")
        }
        self.assertEqual(found.pop("10.0.0.1"), Mac("00:40:8c:01:02:03"))
        self.assertEqual(set(found.values()), {None})
