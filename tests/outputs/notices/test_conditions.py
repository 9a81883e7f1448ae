"""A camera goes in; what is worth a notice about it comes out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import camera
from twisted_detector.model import Adoption, Status
from twisted_detector.model.notices import NoticeKind
from twisted_detector.model.reasons import FROZEN, NO_LOGIN, NOT_RETRIED
from twisted_detector.outputs.notices.conditions import conditions

K = NoticeKind


class Conditions(SynchronousTestCase):
    def kinds(self, status: Status, reason: str = "x", *before: NoticeKind, **more: Any) -> list[NoticeKind]:
        return list(conditions(camera(status=status, reason=reason), before=before, **more))

    def test_begin(self) -> None:
        """Each status has its condition; a camera that only wants a login, or is busy, has none."""
        self.assertEqual([], self.kinds(Status.ONLINE, ""))
        self.assertEqual([K.OFFLINE], self.kinds(Status.OFFLINE))
        self.assertEqual([K.STREAM], self.kinds(Status.STREAM_ERROR))
        self.assertEqual([K.FROZEN], self.kinds(Status.STREAM_ERROR, FROZEN))
        self.assertEqual([], self.kinds(Status.AUTH_REQUIRED, "no login is set for this camera"))
        self.assertEqual([K.LOGIN], self.kinds(Status.AUTH_REQUIRED, f"{NOT_RETRIED}: viewer"))
        self.assertEqual([K.LOGIN], self.kinds(Status.AUTH_REQUIRED, "401", refused=True))
        self.assertEqual([], self.kinds(Status.ONLINE, "", refused=True))  # another login was let in
        self.assertEqual([], self.kinds(Status.BUSY))
        self.assertEqual([], self.kinds(Status.SLEEPS))

    def test_go_on(self) -> None:
        """What cannot be seen now goes on; what is seen to be over ends."""
        self.assertEqual([K.OFFLINE, K.FROZEN], self.kinds(Status.OFFLINE, "x", K.FROZEN))
        self.assertEqual([K.STREAM, K.FROZEN], self.kinds(Status.STREAM_ERROR, "404", K.FROZEN))
        self.assertEqual([K.FROZEN], self.kinds(Status.STREAM_ERROR, FROZEN, K.STREAM))
        self.assertEqual([K.OFFLINE, K.LOGIN], self.kinds(Status.OFFLINE, "x", K.LOGIN))
        self.assertEqual([K.LOGIN], self.kinds(Status.AUTH_REQUIRED, "not before 12:00", K.LOGIN))
        self.assertEqual([], self.kinds(Status.AUTH_REQUIRED, f"401; {NO_LOGIN} (…)", K.LOGIN))  # it was only tried
        self.assertEqual([K.STREAM], self.kinds(Status.STREAM_ERROR, "404", K.LOGIN))
        self.assertEqual([K.LOGIN], self.kinds(Status.SLEEPS, "x", K.LOGIN, K.OFFLINE))
        self.assertEqual([], self.kinds(Status.ONLINE, "", *K))

    def test_clock(self) -> None:
        """A clock that is off by a minute is wrong, in either direction; the reason says by how much."""
        for offset, found in ((59.0, {}), (60.0, {K.CLOCK: "it is +60 s off"}), (-90.0, {K.CLOCK: "it is -90 s off"})):
            self.assertEqual(found, conditions(camera(clock_offset=offset)))

    def test_network(self) -> None:
        """A camera outside the network on which a person expects it; an address that cannot be read is no proof."""
        expected = ip_network("10.0.0.0/24")
        self.assertEqual({}, conditions(camera(), expected=expected))
        found = conditions(camera(network="10.0.1"), expected=expected)
        self.assertEqual({K.NETWORK: "it is expected on 10.0.0.0/24"}, found)
        self.assertEqual({}, conditions(camera(address="odd"), expected=expected))
        self.assertEqual([K.NETWORK], list(conditions(camera(address="fe80::1%eth0"), expected=expected)))

    def test_claims(self) -> None:
        """Of what only calls itself a camera nothing is told, but the end of what was."""
        claim = camera(status=Status.OFFLINE, last_validated=0.0, adopted=Adoption.NO)
        self.assertEqual({}, conditions(claim))
        self.assertEqual([K.OFFLINE], list(conditions(claim, before=(K.OFFLINE,))))
        for known in ({"last_validated": 1.0}, {"adopted": Adoption.FIRST_RUN}):
            self.assertEqual([K.OFFLINE], list(conditions(replace(claim, **known))))  # type: ignore[arg-type]
