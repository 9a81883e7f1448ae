"""The command ``networks``: which networks are searched and how; a person adds and removes them."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from tests.operations.networks.case import book_in
from twisted_detector.config.page_settings import FILE
from twisted_detector.config.running import RunningConfig
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.model import Interface
from twisted_detector.operations.decisions.document import MAX_NETWORKS
from twisted_detector.operations.networks.command import NetworksCommand
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.testing.lan import LOOPBACK, MemoryNeighbours

ETH0 = Interface("eth0", 2, "192.168.1.9", 24)
IPV6 = Interface("eth0", 2, "fd00::9", 64)
DOCKER = Interface("br-0123456789ab", 3, "172.18.0.1", 16)
TUNNEL = Interface("wg0", 4, "10.8.0.2", 24, multicast=False, arp=False)
PUBLIC = Interface("eth1", 5, "203.0.113.9", 24)
OWN, FAR = "192.168.1.0/24", "10.20.0.0/24"
ALL_OF_LINK = ["wsdiscovery", "mdns", "ssdp", "vendors", "neighboursweep"]


class NetworksCase(SynchronousTestCase):
    interfaces: tuple[Interface, ...] = (LOOPBACK, ETH0, IPV6, DOCKER, TUNNEL)

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(7200)
        self.folder = self.mktemp()
        self.book = book_in(self.folder)
        self.limiter = PacketRateLimiter(1000, self.clock.seconds, self.clock)
        self.configure()

    def configure(self, files: Any = None, **environ: str) -> None:
        self.site = SiteNetworks(RunningConfig(read(environ, files)), self.book)
        self.command = NetworksCommand(
            self.site, book=self.book, neighbours=MemoryNeighbours(*self.interfaces), limiter=self.limiter
        )

    def ask(self, **fields: Any) -> dict[str, dict[str, Any]]:
        """The networks of the answer, by their names."""
        answer = self.successResultOf(Deferred.fromCoroutine(self.command.execute(fields)))
        return {one["network"]: one for one in answer["networks"]}

    def still(self, network: str, action: str = "remove") -> str:
        answer = self.successResultOf(
            Deferred.fromCoroutine(self.command.execute({"action": action, "network": network}))
        )
        return str(answer["still"])

    def refused(self, network: Any, action: str = "add") -> str:
        asked = Deferred.fromCoroutine(self.command.execute({"action": action, "network": network}))
        told = str(self.failureResultOf(asked, RemoteError, NotSaved).value)
        self.assertTrue(told.startswith("network: "), told)
        return told


class ListTests(NetworksCase):
    def test_interfaces(self) -> None:
        """The networks of the interfaces, each with the interface's name and what it is."""
        found = self.ask()
        self.assertEqual(["10.8.0.0/24", "172.18.0.0/16", OWN], list(found))
        self.assertEqual(
            {
                "network": OWN, "source": "interfaces", "interfaces": ["eth0"], "what": "", "searched": True,
                "by": ALL_OF_LINK, "why": "", "last": None, "packets": None, "packets_last_hour": 0, "hosts": None,
            },
            found[OWN],
        )  # fmt: skip
        self.assertEqual("a Docker network", found["172.18.0.0/16"]["what"])
        self.assertEqual(["portscan"], found["10.8.0.0/24"]["by"])

    def test_too_large(self) -> None:
        """One that is too large for a sweep says so: it is reached by multicast alone."""
        found = self.ask()["172.18.0.0/16"]
        self.assertEqual((True, ALL_OF_LINK[:4]), (found["searched"], found["by"]))
        self.assertIn("too large to sweep: 65536 addresses", found["why"])
        self.assertIn("Add the part", found["why"])

    def test_sources(self) -> None:
        """Each says where it is from; one of a link that is named stands there once."""
        for environ, files, source in (
            ({"SCAN_NETWORKS": f"interfaces,{FAR},{OWN}"}, None, "environment"),
            ({"CAMDETECT_CONFIG": "/c"}, {"/c": f'scan_networks = ["interfaces", "{FAR}", "{OWN}"]\n'}, "file"),
        ):
            self.configure(files, **environ)
            found = self.ask()
            self.assertEqual([FAR, OWN, "10.8.0.0/24", "172.18.0.0/16"], list(found))
            self.assertEqual([source] * 2, [found[one]["source"] for one in (FAR, OWN)])
            self.assertEqual((["eth0"], ALL_OF_LINK), (found[OWN]["interfaces"], found[OWN]["by"]))
            self.assertEqual(([], ["wsdiscovery", "portscan"]), (found[FAR]["interfaces"], found[FAR]["by"]))

    def test_not_searched(self) -> None:
        """Why the addresses of a network are not tried is told; what reaches its link all the same is named."""
        for environ, network, by, words in (
            ({"SCAN_NETWORKS": FAR}, OWN, ALL_OF_LINK[:4], "does not have the word interfaces"),
            ({"NETWORK_SCAN_ENABLED": "false"}, OWN, ALL_OF_LINK[:4], "NETWORK_SCAN_ENABLED is off"),
            ({"SCAN_EXCLUDE": "192.168.0.0/16"}, OWN, ALL_OF_LINK[:3], "SCAN_EXCLUDE contains it"),
            ({"SCAN_NETWORKS": "fd01::/112"}, "fd01::/112", [], "IPv6"),
            ({"SCAN_NETWORKS": FAR, "NETWORK_SCAN_ENABLED": "false"}, FAR, [], "NETWORK_SCAN_ENABLED is off"),
        ):
            self.configure(None, **environ)
            found = self.ask()[network]
            self.assertEqual((by, bool(by)), (found["by"], found["searched"]), environ)
            self.assertIn(words, found["why"])

    def test_switched_off(self) -> None:
        """A method that is switched off is not named."""
        off = dict.fromkeys(("ONVIF_ENABLED", "SSDP_ENABLED", "VENDOR_DISCOVERY_ENABLED"), "false")
        self.configure(None, SCAN_NETWORKS=f"interfaces,{FAR}", **off)
        found = self.ask()
        self.assertEqual((["mdns", "neighboursweep"], ["portscan"]), (found[OWN]["by"], found[FAR]["by"]))

    def test_figures(self) -> None:
        """When it was swept last, with how many packets, and who answered; and the packets of the hour."""
        traffic = self.limiter.traffic
        traffic.follow((IPv4Network(OWN),))
        traffic.begin()
        self.limiter.charge(7, by="neighboursweep.arp", to="192.168.1.7")
        traffic.answered("192.168.1.7")
        traffic.end(1000.0)
        self.limiter.charge(2, by="knock", to="192.168.1.7")
        found = self.ask()[OWN]
        self.assertEqual(
            ("1970-01-01T00:16:40.000Z", 7, 9, 1),
            tuple(found[one] for one in ("last", "packets", "packets_last_hour", "hosts")),
        )

    def test_without_the_kernel(self) -> None:
        """Where the interfaces are not known the others are listed."""
        self.configure(None, SCAN_NETWORKS=FAR)
        neighbours: Any = MemoryNeighbours()
        neighbours.interfaces = self.fail_to_read
        self.command = NetworksCommand(self.site, book=self.book, neighbours=neighbours, limiter=self.limiter)
        self.assertEqual([FAR], list(self.ask()))

    async def fail_to_read(self) -> Any:
        raise RemoteError("netlink")


class ChangeTests(NetworksCase):
    def test_add_and_remove(self) -> None:
        """One that is added is listed as a person's; it is in the file, and gone when it is removed."""
        found = self.ask(action="add", network=f" {FAR} ")[FAR]
        self.assertEqual(("page", ["wsdiscovery", "portscan"]), (found["source"], found["by"]))
        self.assertEqual((ip_network(FAR),), self.site.confirmed())
        self.assertIn(FAR, self.text())
        self.assertIn(FAR, self.ask(action="add", network=FAR))
        self.assertEqual(1, self.text().count(FAR))
        self.assertNotIn(FAR, self.ask(action="remove", network=FAR))
        self.assertEqual((), self.site.named())

    def text(self) -> str:

        return (Path(self.folder) / FILE).read_text()

    def test_still_searched(self) -> None:
        """What was removed may be within another that is searched; one that is not does not count."""
        inner, of_link = "10.20.0.64/26", "192.168.1.64/26"
        for network in (inner, of_link, FAR):
            self.assertEqual("", self.still(network, "add"))
        self.assertEqual(FAR, self.still(inner))
        self.assertEqual(OWN, self.still(of_link))
        self.assertEqual("", self.still(FAR))
        self.configure(None, NETWORK_SCAN_ENABLED="false", SCAN_NETWORKS="10.20.0.0/16")
        self.still(FAR, "add")
        self.assertEqual("", self.still(FAR))

    def test_an_address(self) -> None:
        """A single address is a network of one host."""
        self.assertIn("10.20.0.7/32", self.ask(action="add", network="10.20.0.7"))
        self.assertNotIn("10.20.0.7/32", self.ask(action="remove", network="10.20.0.7/32"))

    def test_refused(self) -> None:
        """What is none, too large, or not to be searched is refused at the field; nothing is written."""
        for network, words in (
            ("10.20.0.1/24", "is 10.20.0.0/24 meant?"),
            ("10.0.0.0/8", "is too large"),
            ("127.0.0.0/24", "is this machine itself"),
            ("224.0.0.0/24", "is not a network of hosts"),
            ("0.0.0.0/24", "is not a network of hosts"),
            ("", "must be a network such as"),
            (None, "must be text"),
            ("barn", "must be a network such as"),
            ("8.8.8.0/24", "is neither private nor"),
            ("169.254.169.254", "is neither private nor"),
            ("100.64.0.0/24", "is neither private nor"),
            ("203.0.113.0/24", "is neither private nor"),
        ):
            self.assertIn(words, self.refused(network))
        self.assertEqual((), self.book.current.networks)
        asked = Deferred.fromCoroutine(self.command.execute({"action": "sweep", "network": FAR}))
        self.assertIn("action: must be add or remove", str(self.failureResultOf(asked, RemoteError).value))

    def test_a_public_network_of_a_link(self) -> None:
        """A public network is searched where an interface of this machine is in it."""
        self.interfaces = (ETH0, PUBLIC)
        self.configure()
        self.assertIn("203.0.113.0/25", self.ask(action="add", network="203.0.113.0/25"))

    def test_of_the_configuration(self) -> None:
        """What the configuration names is removed only there, and need not be added."""
        for environ, files, words in (
            ({"SCAN_NETWORKS": FAR}, None, "SCAN_NETWORKS in the environment"),
            (
                {"CAMDETECT_CONFIG": "/c"},
                {"/c": f'scan_networks = "{FAR}"\n'},
                "scan_networks in the configuration file",
            ),
        ):
            self.configure(files, **environ)
            self.assertIn(words, self.refused(FAR, "remove"))
            self.assertIn("SCAN_NETWORKS already lists it", self.refused(FAR))

    def test_shared(self) -> None:
        """One of NODES_NETWORKS is listed with its setting, and says so where another node searches it."""
        self.configure(NODES_NETWORKS=FAR)
        self.assertEqual(
            ("environment", True, ""), tuple(self.ask()[FAR][name] for name in ("source", "searched", "why"))
        )
        self.assertIn("NODES_NETWORKS in the environment lists it", self.refused(FAR, "remove"))
        self.assertIn("NODES_NETWORKS already lists it", self.refused(FAR))
        self.site.take(())
        listed = self.ask()[FAR]
        self.assertEqual(False, listed["searched"])
        self.assertIn("another node searches it", listed["why"])

    def test_of_an_interface(self) -> None:
        """What an interface has is left alone by a setting."""
        told = self.refused(OWN, "remove")
        self.assertIn("it is the network of eth0", told)
        self.assertIn(f"SCAN_EXCLUDE={OWN}", told)
        self.assertIn("is not one of the added networks", self.refused(FAR, "remove"))

    def test_too_many(self) -> None:
        """Together, and with those of SCAN_NETWORKS, they have so many addresses; so many are added at most."""
        self.configure(None, SCAN_NETWORKS=",".join(f"10.{n}.0.0/16" for n in range(15)))
        self.ask(action="add", network="10.100.0.0/16")
        self.assertIn("1048576 addresses", self.refused("10.101.0.0/16"))
        self.assertIn("1048576 addresses", self.refused("192.168.77.7"))
        self.ask(action="remove", network="10.100.0.0/16")
        many = ", ".join(f'"192.168.200.{number}"' for number in range(MAX_NETWORKS))
        (Path(self.folder) / FILE).write_text(f"[site]\nnetworks = [{many}]\n")
        self.assertIn("no room for more", self.refused("192.168.77.7"))

    def test_disk(self) -> None:
        """Where the disk does not take it, it is not searched."""

        (Path(self.folder) / FILE).mkdir()
        asked = Deferred.fromCoroutine(self.command.execute({"action": "add", "network": FAR}))
        self.failureResultOf(asked, NotSaved)
        self.assertEqual((), self.site.named())
