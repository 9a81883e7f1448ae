"""What a person changed by hand is told in sentences, without any password."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from types import MappingProxyType
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.decisions.strategies import decisions
from twisted_detector.model import Login, Secret
from twisted_detector.model.decisions import CameraDecisions, Decisions, Description, StreamAddress, Verdict
from twisted_detector.operations.decisions.sentences import MAX_SENTENCES, told

SECRET = "s3cr3t-of-the-barn"
NONE = CameraDecisions()


def of_camera(before: CameraDecisions, after: CameraDecisions) -> tuple[str, ...]:
    return told(*(Decisions(MappingProxyType({"00408c": one})) for one in (before, after)))


class SentenceTests(SynchronousTestCase):
    def test_camera(self) -> None:
        """One sentence for each value that changed."""
        barn = CameraDecisions(
            Description("Barn", "Yard", "on the\ngable"),
            Verdict.ADOPTED,
            Login("viewer", Secret(SECRET)),
            StreamAddress("rtsp", 5566, "/live"),
            network=ip_network("10.0.0.0/24"),
        )
        lines = of_camera(NONE, barn)
        self.assertEqual(
            (
                "camera 00408c: name is Barn",
                "camera 00408c: area is Yard",
                "camera 00408c: note is on the gable",
                "camera 00408c: adopted is yes",
                "camera 00408c: login is user viewer",
                "camera 00408c: main is rtsp://camera:5566/live",
                "camera 00408c: network is 10.0.0.0/24",
            ),
            lines,
        )
        self.assertEqual(
            ("camera 00408c: name was removed",),
            of_camera(barn, replace(barn, description=replace(barn.description, name=""))),
        )
        self.assertEqual(("camera 00408c: login of user viewer has a new password",),
                         of_camera(barn, replace(barn, login=Login("viewer", Secret("x")))))  # fmt: skip

    def test_site(self) -> None:
        """Networks by name; logins by number."""
        after = Decisions(
            networks=(ip_network("10.0.0.0/24"),), logins=(Login("a", Secret(SECRET)), Login("b", Secret(SECRET)))
        )
        self.assertEqual(("network 10.0.0.0/24 was added", "2 logins added"), told(Decisions(), after))
        self.assertEqual(("network 10.0.0.0/24 was removed", "2 logins removed"), told(after, Decisions()))

    def test_many(self) -> None:
        """Of many so many are told, and the number of the others."""
        cameras: Any = {f"c{number}": CameraDecisions(Description("x")) for number in range(MAX_SENTENCES + 7)}
        lines = told(Decisions(), Decisions(MappingProxyType(cameras)))
        self.assertEqual((MAX_SENTENCES + 1, "and 7 more changes"), (len(lines), lines[-1]))

    @given(decisions)
    def test_nothing_secret(self, after: Decisions) -> None:
        """Whatever is decided, no password is told; nothing is, where nothing changed."""
        logins = [*after.logins, *(one.login for one in after.cameras.values() if one.login is not None)]
        marked = Decisions(
            MappingProxyType({
                key: replace(one, login=one.login and Login(one.login.name, Secret(SECRET)))
                for key, one in after.cameras.items()
            }),
            after.networks,
            tuple(Login(one.name, Secret(SECRET)) for one in logins),
            MappingProxyType(dict.fromkeys(after.settings, SECRET)),
        )  # fmt: skip
        self.assertNotIn(SECRET, "".join(told(Decisions(), marked)))
        self.assertEqual((), told(after, after))
