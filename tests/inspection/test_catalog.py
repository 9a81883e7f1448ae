"""The catalog of RTSP paths: its rules, its order, and what has no place in it."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.inspection.rtsp import catalog
from twisted_detector.inspection.rtsp.catalog import Hints, load, paths_for, vendors_for

RULE = {
    "id": "acme",
    "vendors": ["Acme"],
    "ports": [554],
    "paths": [{"main": "/a", "sub": "/b"}],
    "hints": {"server": ["acme"], "realm": ["roadrunner"], "scope": ["acme"]},
    "provenance": "vendor",
    "source_url": "https://acme.example/rtsp",
    "checked_on": "2026-11-21",
}


def text(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)})


def other(**changes: Any) -> dict[str, Any]:
    return {**RULE, "id": "other", "vendors": ["Other"], "paths": [{"main": "/o"}], "hints": {}, **changes}


class CatalogTests(SynchronousTestCase):
    """Rules in, paths out."""

    def test_ours(self) -> None:
        """The catalog that comes with the program is sound, and holds the usual makes with main and sub stream."""
        rules = catalog.rules()
        self.assertGreater(len(rules), 10)
        pairs = {path.main: path.sub for rule in rules for path in rule.paths}
        self.assertEqual(pairs["/Streaming/Channels/101"], "/Streaming/Channels/102")
        self.assertEqual(pairs["/cam/realmonitor?channel=1&subtype=0"], "/cam/realmonitor?channel=1&subtype=1")
        self.assertEqual(pairs["/stream1"], "/stream2")
        self.assertLessEqual({"/", "/live", "/stream", "/h264", "/video1", "/live.sdp"}, set(pairs))

    def test_every_path_once(self) -> None:
        """Whatever a device lets slip, it is asked for every path of the catalog, once."""
        for hints in (Hints(), Hints(server="Rtsp Server/3.0"), Hints(realm="IP Camera(C1)", ports=(554,))):
            mains = [path.main for path in paths_for(hints)]
            self.assertEqual(sorted(mains), sorted(path.main for rule in catalog.rules() for path in rule.paths))
            self.assertEqual(len(set(mains)), len(mains))

    def test_order(self) -> None:
        """What the device lets slip comes first, then what fits its ports, then the rest; each as in the catalog."""
        rules = load(
            text(
                other(id="far", ports=[8554], paths=[{"main": "/far"}]),
                other(id="any", ports=[], paths=[{"main": "/any"}]),
                other(id="near", paths=[{"main": "/near"}]),
                RULE,
            )
        )
        self.assertEqual([path.main for path in paths_for(Hints(ports=(554,)), rules)], ["/any", "/near", "/a", "/far"])
        for hints in (
            Hints(server="ACME/1.0"),
            Hints(realm="Login for RoadRunner"),
            Hints(scopes=("onvif://www.onvif.org/name/x", "onvif://www.onvif.org/hardware/Acme")),
        ):
            self.assertEqual(paths_for(hints, rules)[0].main, "/a", hints)
            self.assertEqual(vendors_for(hints, rules), ("Acme",))
        self.assertEqual(vendors_for(Hints(server="nobody"), rules), ())

    def test_makes_that_are_told_by_what_servers_say(self) -> None:
        """Realms and servers that captures show lead to their make's paths first."""
        for hints, main in (
            (Hints(realm="IP Camera(AB705)"), "/Streaming/Channels/101"),
            (Hints(realm="Login to 4K01FD2PAJ6E3FF"), "/cam/realmonitor?channel=1&subtype=0"),
            (Hints(realm="iPOLiS"), "/profile2/media.smp"),
            (Hints(realm="TP-LINK IP-Camera"), "/stream1"),
            (Hints(server="GStreamer RTSP server"), "/test"),
        ):
            self.assertEqual(paths_for(hints)[0].main, main)

    def test_no_logins(self) -> None:
        """No path has a user or a password in it."""
        for main in ("/user=admin_password=x_channel=1.sdp", "/a?pwd=b"):
            self.assertRaises(LocalError, load, text(other(paths=[{"main": main}])))

    def test_refused(self) -> None:
        """Whatever is missing, unknown, out of bounds or there twice is refused with the rule's name."""
        for rules in (
            text(),
            "[]",
            "nonsense",
            text(RULE, RULE),
            text(RULE, other(paths=[{"main": "/b"}])),
            text({key: value for key, value in RULE.items() if key != "source_url"}),
            text({**RULE, "extra": 1}),
            text(other(source_url="see the manual")),
            text(other(checked_on="21.11.2026")),
            text(other(checked_on="2026-13-01")),
            text(other(provenance="hearsay")),
            text(other(id="Not An Id")),
            text(other(ports=[0])),
            text(other(ports=[True])),
            text(other(ports="554")),
            text(other(paths=[])),
            text(other(paths=[{"main": f"/{number}"} for number in range(5)])),
            text(other(paths=[{"main": "no-slash"}])),
            text(other(paths=[{"main": "/a b"}])),
            text(other(paths=[{"sub": "/b"}])),
            text(other(paths=["/b"])),
            text(other(vendors=[1])),
            text(other(hints={"colour": ["red"]})),
            text(other(hints={"server": ["UPPER"]})),
            text(other(hints={"server": ["x"]})),
            text(*(other(id=f"r{number}", paths=[{"main": f"/{number}"}]) for number in range(65))),
            json.dumps({"rules": ["x"]}),
        ):
            self.assertRaises(LocalError, load, rules)
