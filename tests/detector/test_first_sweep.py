"""First sweep: how often each of a hundred new cameras is inspected, whatever the methods tell and when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

from twisted.internet.task import deferLater
from zope.interface import implementer

from tests.detector.case import DetectorCase
from tests.facts import inspection, sighting
from twisted_detector.interfaces import IInspector
from twisted_detector.model import Candidate, Evidence, EvidenceKind, Inspection, Login, Mac, Sighting, Status

COUNT = 100
ADDRESSES = {f"10.0.0.{number}": number for number in range(10, 10 + COUNT)}


def reference(number: int) -> str:
    return f"5f5a69c2-e0ae-504f-829b-0000000000{number:02x}"


def mac(number: int) -> Mac:
    return Mac(f"02:00:00:00:01:{number:02x}")


def services(address: str) -> tuple[str, ...]:
    return (f"http://{address}/onvif/device_service", f"http://[fe80::{ADDRESSES[address]:x}]/onvif/device_service")


#: What each method tells of a camera, each time in other words or with one thing more.
METHODS: dict[str, Callable[[str, int], list[Sighting]]] = {
    "wsdiscovery": lambda address, n: [
        sighting(address, reference=reference(n), xaddrs=services(address)[:1], method="wsdiscovery"),
        sighting(
            address,
            reference=reference(n),
            xaddrs=services(address),
            scopes=("onvif://www.onvif.org/name/cam", f"onvif://www.onvif.org/location/{n}"),
            method="wsdiscovery",
        ),
    ],
    "neighboursweep": lambda address, n: [
        sighting(address, mac(n), rtsp_ports=(554,), open_ports=(554,), method="neighboursweep"),
        sighting(address, mac(n), rtsp_ports=(554, 8554), open_ports=(554, 80, 8554, 8000), method="neighboursweep"),
    ],
    "mdns": lambda address, n: [
        sighting(address, rtsp_ports=(554,), method="mdns"),
        sighting(address, rtsp_ports=(554,), open_ports=(443,), method="mdns", evidence=(mdns_name(n),)),
    ],
    "ssdp": lambda address, n: [sighting(address, open_ports=(49152,), method="ssdp", evidence=(upnp_name(n),))],
}


def mdns_name(number: int) -> Evidence:
    return Evidence(EvidenceKind.MDNS, f"cam-{number}.local", "mdns", 0.0)


def upnp_name(number: int) -> Evidence:
    return Evidence(EvidenceKind.UPNP, f"uuid:00000000-0000-0000-0000-0000000000{number:02x}", "ssdp", 0.0)


@implementer(IInspector)
class SlowInspector:
    """Takes up to a second for each camera, and counts.

    :ivar onvif: whether the cameras have ONVIF; else only their streams are known.
    """

    name = "scripted"

    def __init__(self, case: FirstSweepTests, chance: Random, *, onvif: bool) -> None:
        self._case = case
        self._chance = chance
        self._onvif = onvif
        self.inspected: Counter[str] = Counter()

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        address = candidate.address
        self.inspected[address] += 1
        await deferLater(self._case.clock, self._chance.uniform(0.05, 1.0))
        found = inspection(address)
        if not self._onvif:
            return found
        epr = Evidence(EvidenceKind.ENDPOINT_REFERENCE, reference(ADDRESSES[address]), "onvif", 0.0)
        return replace(found, onvif_url=services(address)[0], evidence=(epr,))


class FirstSweepTests(DetectorCase):
    """Three sweeps, each with all methods, whose sightings come in any order within three seconds."""

    def setUp(self) -> None:
        super().setUp()
        self.methods = []

    def run_sweeps(self, seed: int, *methods: str, onvif: bool = True) -> Counter[str]:
        """How often each camera was inspected."""
        self.setUp()
        chance = Random(seed)
        self.inspector = inspector = SlowInspector(self, chance, onvif=onvif)  # type: ignore[assignment]
        self.neighbours.macs = {address: mac(number) for address, number in ADDRESSES.items()}
        self.build().start()
        for sweep in range(3):
            for address, number in ADDRESSES.items():
                told = [one for name in methods for one in METHODS[name](address, number)]
                for one in told:
                    self.clock.callLater(sweep * 20 + chance.uniform(0, 3), self.watcher.report, one)
        self.clock.pump([0.05] * 1400)
        self.assertEqual({Status.ONLINE}, {one.status for one in self.registry.cameras()})
        self.assertEqual(sorted(mac(number).compact for number in ADDRESSES.values()), self.ids())
        self.stop()
        return inspector.inspected

    def test_each_is_inspected_once(self) -> None:
        """Four methods tell of a hundred cameras in any order, before, while and after each is inspected: a hundred
        inspections, one for each.
        """
        for seed in range(3):
            inspected = self.run_sweeps(seed, *METHODS)
            self.assertEqual(dict.fromkeys(ADDRESSES, 1), dict(inspected))

    def test_without_discovery(self) -> None:
        """So it is where only the sweep finds them, by their ports, and they have no ONVIF."""
        inspected = self.run_sweeps(3, "neighboursweep", onvif=False)
        self.assertLessEqual(max(inspected.values()), 2)  # a port that was told only afterwards may be ONVIF's
        self.assertLess(inspected.total(), 1.5 * COUNT)
