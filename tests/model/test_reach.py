"""Where devices may be asked: on the links, in private networks, and in what the operator listed."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Interface
from twisted_detector.model.reach import Reach, is_in, is_on_link, networks_of

LINKS = (
    Interface("lo", 1, "127.0.0.1", 8, loopback=True),
    Interface("lo", 1, "::1", 128, loopback=True),
    Interface("eth0", 2, "10.0.0.9", 24),
    Interface("eth0", 2, "fe80::9", 64),
    Interface("eth0", 2, "2001:db8::9", 128),  # by DHCPv6
    Interface("wg0", 3, "10.8.0.2", 32, arp=False),
    Interface("six0", 4, "2001:db8:8::2", 128, arp=False),
)
REACH = Reach(links=networks_of(LINKS))

ASKED = (
    "10.0.0.5", "10.9.9.9", "172.16.0.1", "192.168.1.108", "fd12::1", "fe80::5%eth0", "2001:db8::77", "::ffff:10.0.0.5",
)  # fmt: skip
MACHINE = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")
METADATA = ("169.254.169.254", "169.254.7.7", "::ffff:169.254.169.254", "fd00:ec2::254")
STRANGERS = (
    "8.8.8.8", "1.2.3.4", "203.0.113.9", "100.100.100.200", "192.0.0.192", "0.1.2.3", "250.1.2.3", "2001:db8:1::1",
    "2001:db8:8::3", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::7f00:1", "2620::1",
)  # fmt: skip
NOBODY = (
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::c",
    "255.255.255.255",
    "camera.local",
    "",
    "10.0.0.5/8",
)


class ReachTests(SynchronousTestCase):
    def test_asked(self) -> None:
        """What stands on a link, and private addresses behind routers."""
        for address in ASKED:
            self.assertEqual("", REACH.explain_refusal(address), address)

    def test_refused(self) -> None:
        """This machine, metadata of clouds, and strangers: each with a reason that says what to do."""
        for addresses, word in ((MACHINE, "this machine"), (METADATA, "no interface"), (STRANGERS, "no private")):
            for address in addresses:
                refusal = REACH.explain_refusal(address)
                self.assertIn(word, refusal, address)
                self.assertIn("SCAN_NETWORKS", refusal)
        for address in NOBODY:
            self.assertEqual("that is not the address of a single device", REACH.explain_refusal(address), address)

    def test_listed(self) -> None:
        """What the operator named is asked, and no more than that."""
        listed = tuple(map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "8.8.8.0/24", "2001:db8:1::/48")))
        reach = Reach(listed, REACH.links)
        for address in ("127.0.0.7", "::ffff:127.0.0.7", "169.254.169.254", "8.8.8.8", "2001:db8:1::1"):
            self.assertEqual("", reach.explain_refusal(address), address)
        for address in ("::1", "8.8.9.8", "fd00:ec2::254", "224.0.0.1"):
            self.assertNotEqual("", reach.explain_refusal(address), address)

    def test_reasons(self) -> None:
        """Each refusal says who stands there, and what would make a difference."""
        for address, expected in (
            ("127.0.0.1", "that is this machine itself, which is asked only when SCAN_NETWORKS names the address"),
            (
                "169.254.169.254",
                "no interface of this machine has such an address: it is asked only when SCAN_NETWORKS names it",
            ),
            (
                "8.8.8.8",
                "it is no private address, and in no network of this machine's interfaces:"
                " it is asked only when SCAN_NETWORKS names it",
            ),
            ("224.0.0.1", "that is not the address of a single device"),
        ):
            self.assertEqual(expected, REACH.explain_refusal(address))

    def test_own_networks(self) -> None:
        """A link with public or link-local addresses is a link like any other."""
        for address, link in (("169.254.7.7", "169.254.1.1"), ("8.8.8.8", "8.8.8.1"), ("2620::1", "2620::2")):
            reach = Reach(links=networks_of([Interface("eth0", 2, link, 16)]))
            self.assertEqual("", reach.explain_refusal(address), address)

    def test_unknown_interfaces(self) -> None:
        """While the interfaces are not known, nobody is taken for a stranger; loopback and metadata stay refused."""
        for address in STRANGERS:
            self.assertEqual("", Reach().explain_refusal(address), address)
        for address in (*MACHINE, *METADATA, *NOBODY):
            self.assertNotEqual("", Reach().explain_refusal(address), address)

    def test_on_link(self) -> None:
        """Who speaks on a link: of its networks, or by link-local IPv6."""
        networks = networks_of(LINKS[2:5])
        for address in ("10.0.0.5", "fe80::5%eth0", "2001:db8::77"):
            self.assertTrue(is_on_link(address, networks), address)
        for address in ("10.0.1.5", "203.0.113.9", "2001:db8:1::1", "127.0.0.1", "x"):
            self.assertFalse(is_on_link(address, networks), address)
        self.assertFalse(is_in("fe80::5%eth0", networks_of(LINKS[2:3])))
        self.assertTrue(is_on_link("127.0.0.7", networks_of(LINKS[:1])))
