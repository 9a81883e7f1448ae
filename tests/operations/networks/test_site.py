"""The networks of the site: those of the configuration and those that a person added, as they are now."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from tests.operations.networks.case import book_in
from twisted_detector.config.running import RunningConfig
from twisted_detector.model import Secret
from twisted_detector.model.login_rules import Audience, LoginRule
from twisted_detector.operations.networks.site import SiteNetworks

NET, MORE, LOGIN = map(ip_network, ("10.20.0.0/24", "10.30.0.0/24", "10.40.0.0/24"))
RULE = LoginRule("viewer", Secret("look"), Audience.NETWORK, str(LOGIN))


class SiteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.running = RunningConfig(read({"SCAN_NETWORKS": f"interfaces,{NET}"}))
        self.book = book_in(self.mktemp())
        self.site = SiteNetworks(self.running, self.book)
        self.told: list[Any] = []
        self.site.changed.add(lambda added, narrowed, widened: self.told.append((added, narrowed, widened)))
        self.site.confirmed_changed.add(lambda: self.told.append("confirmed"))

    def decide(self, **values: Any) -> list[Any]:
        self.told.clear()
        self.successResultOf(Deferred.fromCoroutine(self.book.change(lambda before: replace(before, **values))))
        return self.told

    def reload(self, **environ: str) -> list[Any]:
        self.told.clear()
        self.running.use(read({"SCAN_NETWORKS": f"interfaces,{NET}", **environ}))
        return self.told

    def test_at_first(self) -> None:
        """They are those of SCAN_NETWORKS."""
        self.assertEqual(((NET,), ("interfaces", str(NET)), (NET,)),
                         (self.site.named(), self.site.searched(), self.site.confirmed()))  # fmt: skip
        self.assertFalse(self.site.has_loopback())

    def test_a_person(self) -> None:
        """One that a person adds is searched and confirmed; when it is removed, neither."""
        self.assertEqual(["confirmed", ((MORE,), False, False)], self.decide(networks=(MORE,)))
        self.assertEqual(("interfaces", str(NET), str(MORE)), self.site.searched())
        self.assertEqual(((NET, MORE), (NET, MORE)), (self.site.named(), self.site.confirmed()))
        self.assertEqual(["confirmed", ((), True, False)], self.decide(networks=()))
        self.assertEqual(((NET,), (NET,)), (self.site.named(), self.site.confirmed()))

    def test_what_is_named_twice(self) -> None:
        """One that the configuration names as well is searched once, and stays when a person removes it."""
        self.assertEqual([], self.decide(networks=(NET,)))
        self.assertEqual(("interfaces", str(NET)), self.site.searched())
        self.assertEqual([], self.decide(networks=()))

    def test_logins(self) -> None:
        """A network that has logins is confirmed, and not searched for that, wherever they come from."""
        self.assertEqual(["confirmed"], self.decide(logins=(RULE,)))
        self.assertEqual(((NET, LOGIN), (NET,)), (self.site.confirmed(), self.site.named()))
        self.decide(logins=())
        self.assertEqual(["confirmed"], self.reload(CAMERA_CREDENTIALS=f"[network {LOGIN}],a:b"))
        self.assertEqual((NET, LOGIN), self.site.confirmed())

    def test_other_decisions(self) -> None:
        """Names of cameras are nothing to it."""
        self.assertEqual([], self.decide(settings={"MQTT_BROKER": "x"}))

    def test_reload(self) -> None:
        """A reload adds and removes, and takes the word interfaces in and out."""
        self.assertEqual(["confirmed", ((MORE,), True, False)], self.reload(SCAN_NETWORKS=f"interfaces,{MORE}"))
        self.assertEqual(["confirmed", ((NET,), True, False)], self.reload(SCAN_NETWORKS=str(NET)))
        self.assertEqual([((), False, True)], self.reload())
        self.assertEqual([], self.reload(LOG_LEVEL="debug"))

    def test_exclusions(self) -> None:
        """What is excluded from now on is swept no more; what is not any more, is."""
        self.assertEqual([((), True, False)], self.reload(SCAN_EXCLUDE="10.20.0.9"))
        self.assertEqual([((), True, True)], self.reload(SCAN_EXCLUDE="10.20.0.8"))
        self.assertEqual([((), False, True)], self.reload())

    def test_loopback(self) -> None:
        """Simulated cameras stand on loopback where the configuration names it."""
        self.reload(SCAN_NETWORKS="127.0.0.0/24")
        self.assertTrue(self.site.has_loopback())


class SharedTests(SynchronousTestCase):
    """Networks that several nodes could search."""

    def setUp(self) -> None:
        settings = {"SCAN_NETWORKS": f"interfaces,{LOGIN}", "NODES_NETWORKS": f"{NET},{MORE},{LOGIN}"}
        self.book = book_in(self.mktemp())
        self.site = SiteNetworks(RunningConfig(read(settings)), self.book)
        self.told: list[Any] = []
        self.site.changed.add(lambda added, narrowed, widened: self.told.append((added, narrowed, widened)))

    def test_alone(self) -> None:
        """A daemon without other nodes searches them as its own; what is in SCAN_NETWORKS is not shared."""
        self.assertEqual(("interfaces", str(LOGIN), str(NET), str(MORE)), self.site.swept())
        self.assertEqual(((LOGIN, NET, MORE), ()), (self.site.asked(), self.site.left()))
        self.assertEqual((NET, MORE), self.site.shared())

    def test_taken(self) -> None:
        """Only those that are this node's to search are; all are the operator's, and may be asked and given logins."""
        self.site.take(())
        self.assertEqual(("interfaces", str(LOGIN)), self.site.swept())
        self.assertEqual((LOGIN,), self.site.asked())
        self.site.take((MORE,))
        self.assertEqual((("interfaces", str(LOGIN), str(MORE)), (NET,)), (self.site.swept(), self.site.left()))
        self.assertEqual({LOGIN, NET, MORE}, {*self.site.named()})
        self.assertEqual({LOGIN, NET, MORE}, {*self.site.confirmed()})
        self.assertEqual([((), True, False), ((MORE,), False, False)], self.told)
        self.site.take((MORE,))
        self.assertEqual(2, len(self.told))
        self.site.take((NET,))
        self.assertEqual(((NET,), True, False), self.told[-1])

    def test_a_person(self) -> None:
        """One that a person adds here is this node's to search."""
        self.site.take(())
        self.successResultOf(Deferred.fromCoroutine(self.book.change(lambda before: replace(before, networks=(NET,)))))
        self.assertEqual(("interfaces", str(LOGIN), str(NET), str(MORE))[:3], self.site.swept())
        self.assertEqual((MORE,), self.site.shared())
