"""Checks of this machine: each finding, and its advice."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Interface
from twisted_detector.operations.host_checks import (
    FAIL,
    OK,
    WARN,
    bridge_reason,
    check_capabilities,
    check_container,
    check_descriptors,
    check_interfaces,
    check_neighbour_table,
)


class HostCheckTests(SynchronousTestCase):
    def test_bridge(self) -> None:
        """A container with an address of a bridge alone; not one on the host's network, nor a host with Docker."""
        inside = lambda path: path == "/.dockerenv"  # noqa: E731
        outside = lambda path: False  # noqa: E731
        self.assertTrue(bridge_reason(["127.0.0.1", "172.17.0.2"], exists=inside))
        self.assertEqual("", bridge_reason(["192.168.1.5", "172.17.0.1"], exists=inside))
        self.assertEqual("", bridge_reason(["172.17.0.1"], exists=outside))
        self.assertEqual(FAIL, check_container(["172.17.0.2"], exists=inside).level)
        self.assertEqual(OK, check_container(["10.0.0.1"], exists=inside).level)

    def test_interfaces(self) -> None:
        """One without multicast is a warning; none at all a failure."""
        eth0 = Interface("eth0", 2, "10.0.0.9", 24)
        wg0 = Interface("wg0", 3, "10.9.0.1", 24, multicast=False)
        self.assertEqual([OK, WARN], [one.level for one in check_interfaces([eth0, wg0])])
        lo = Interface("lo", 1, "127.0.0.1", 8, multicast=False, loopback=True)
        self.assertEqual([FAIL], [one.level for one in check_interfaces([lo])])

    def test_neighbour_table(self) -> None:
        """Full is a failure with the cure, small a warning, unreadable no alarm."""

        def reading(most: int, entries: int) -> Any:
            files = {f"/proc/sys/net/ipv4/neigh/default/gc_thresh{n}": f"{most // 2 ** (3 - n)}\n" for n in (1, 2, 3)}
            return check_neighbour_table((files | {"/proc/net/arp": "head\n" + "x\n" * entries}).get)

        self.assertEqual([OK, WARN, FAIL], [reading(*given).level for given in ((1024, 5), (512, 5), (1024, 900))])
        self.assertIn("gc_thresh3=8192", reading(1024, 900).advice)
        self.assertEqual(OK, check_neighbour_table(lambda path: "").level)

    def test_limits(self) -> None:
        """Few descriptors are a warning; without CAP_NET_RAW all is well, and it is said what is missing."""
        self.assertEqual([WARN, OK], [check_descriptors(one).level for one in ((256, 4096), (4096, 4096))])
        status = "Name:\tx\nCapEff:\t{}\n"
        having, lacking = (check_capabilities(lambda _, t=text: status.format(t)) for text in ("2000", "0"))
        self.assertEqual(
            (OK, OK, False, True), (having.level, lacking.level, bool(having.advice), bool(lacking.advice))
        )
        self.assertEqual(WARN, check_capabilities(lambda _: "").level)
