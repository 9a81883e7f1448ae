"""``camdetect networks`` and ``camdetect reload``: what they ask the daemon, and what they show."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking
from twisted_detector.cli.decisions.networks import change_networks, list_networks
from twisted_detector.cli.decisions.reload import reload
from twisted_detector.cli.grammar import build_parser
from twisted_detector.cli.main import COMMANDS
from twisted_detector.errors import RemoteError

OWN = {
    "network": "192.168.1.0/24", "source": "interfaces", "interfaces": ["eth0"], "what": "", "searched": True,
    "by": ["mdns", "neighboursweep"], "why": "", "last": "2026-03-01T12:00:00.000Z", "packets": 312,
    "packets_last_hour": 900, "hosts": 7,
}  # fmt: skip
DOCKER = OWN | {
    "network": "172.17.0.0/16", "interfaces": ["docker0"], "what": "Docker's default bridge", "by": ["mdns"],
    "why": "it is too large for a sweep", "last": None, "packets": None, "hosts": None,
}  # fmt: skip


class AskingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = {"networks": [OWN, DOCKER], "still": ""}
        self.patch(asking, "send_request", self.send)
        self.out, self.err = io.StringIO(), io.StringIO()

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class NetworksTests(AskingCase):
    def test_list(self) -> None:
        """A line a network, with what it is; below, why the addresses of one are not tried."""
        self.assertEqual(0, list_networks(Path("/state"), use_json=False, out=self.out, err=self.err))
        lines = self.out.getvalue().splitlines()[1:]
        self.assertEqual([{"command": "networks"}], self.asked)
        self.assertIn("192.168.1.0/24", lines[1])
        for word in ("interfaces", "eth0", "mdns, neighboursweep", "312", "900", "7"):
            self.assertIn(word, lines[1])
        self.assertIn("docker0 (Docker's default bridge)", lines[2])
        self.assertIn("172.17.0.0/16: it is too large for a sweep", lines[3])

    def test_json(self) -> None:
        """As JSON it is what the daemon says."""
        self.assertEqual(0, list_networks(Path("/state"), use_json=True, out=self.out, err=self.err))
        self.assertEqual({"networks": [OWN, DOCKER]}, json.loads(self.out.getvalue()))

    def test_none(self) -> None:
        """That there is none is said."""
        self.answer = {"networks": []}
        list_networks(Path("/state"), use_json=False, out=self.out, err=self.err)
        self.assertEqual("No network is searched.\n", self.out.getvalue())

    def test_change(self) -> None:
        """Each is asked for by itself, and told."""
        nets = ["10.1.0.0/24", "10.2.0.0/24"]
        self.assertEqual(0, change_networks(Path("/state"), "add", nets, out=self.out, err=self.err))
        self.assertEqual([{"command": "networks", "action": "add", "network": one} for one in nets], self.asked)
        self.assertEqual(2, self.out.getvalue().count("is now searched"))
        change_networks(Path("/state"), "remove", nets[:1], out=self.out, err=self.err)
        self.assertIn("10.1.0.0/24 is no longer searched", self.out.getvalue())

    def test_still_searched(self) -> None:
        """One that is searched all the same, as a network of this machine or within a larger one, is told as such."""
        self.answer["still"] = "192.168.1.0/24"
        for network in ("192.168.1.0/24", "192.168.1.64/26"):
            change_networks(Path("/state"), "remove", [network], out=self.out, err=self.err)
            told = self.out.getvalue().splitlines()[-1]
            self.assertEqual(
                f"{network} is removed, and still searched: 192.168.1.0/24 is in the list, from interfaces (eth0)", told
            )
        self.answer["still"] = ""
        change_networks(Path("/state"), "remove", ["192.168.1.0/24"], out=self.out, err=self.err)
        self.assertEqual("192.168.1.0/24 is no longer searched", self.out.getvalue().splitlines()[-1])

    def test_refused(self) -> None:
        """A refusal is one line and exit status 1."""
        self.answer = RemoteError("network: has bits beyond its prefix; is 10.1.0.0/24 meant?")
        self.assertEqual(1, change_networks(Path("/state"), "add", ["10.1.0.1/24"], out=self.out, err=self.err))
        self.assertEqual(("", 1), (self.out.getvalue(), self.err.getvalue().count("\n")))
        self.assertIn("is 10.1.0.0/24 meant?", self.err.getvalue())

    def test_grammar(self) -> None:
        """add and remove want networks, a list wants none."""
        parse = build_parser().parse_args
        self.assertEqual((None, []), (parse(["networks"]).action, parse(["networks"]).networks))
        self.assertEqual(["10.1.0.0/24"], parse(["networks", "add", "10.1.0.0/24"]).networks)
        for words in (["add"], ["remove", "10.1.0.0/24", "--json"]):
            with contextlib.redirect_stderr(self.err):
                self.assertEqual(2, COMMANDS["networks"](parse(["networks", *words])))
        self.assertEqual(2, self.err.getvalue().count("camdetect networks: "))


class ReloadTests(AskingCase):
    def call(self, answer: Any, *, restart: bool = False) -> int:
        self.answer = {"changed": [], "restart": [], "faults": [], "restarting": False, **answer}
        return reload(Path("/state"), restart=restart, out=self.out, err=self.err)

    def test_changed(self) -> None:
        """What changed, and what needs a restart."""
        self.assertEqual(
            0, self.call({"changed": ["LOG_LEVEL is debug", "a\x1b[2J"], "restart": ["MQTT_BROKER", "RTSP_PORT"]})
        )
        self.assertEqual([{"command": "reload", "restart": False}], self.asked)
        told = self.out.getvalue()
        self.assertIn("LOG_LEVEL is debug\n", told)
        self.assertNotIn("\x1b", told)
        self.assertIn("needs a restart (camdetect reload --restart): MQTT_BROKER, RTSP_PORT\n", told)

    def test_restart(self) -> None:
        """With --restart it says for what the daemon restarts."""
        self.assertEqual(0, self.call({"restart": ["MQTT_BROKER"], "restarting": True}, restart=True))
        self.assertTrue(self.asked[0]["restart"])
        self.assertEqual("restarting now because of MQTT_BROKER\n", self.out.getvalue())
        self.assertTrue(build_parser().parse_args(["reload", "--restart"]).restart)

    def test_nothing(self) -> None:
        """That nothing has changed is said."""
        self.assertEqual(0, self.call({}))
        self.assertEqual("nothing has changed\n", self.out.getvalue())

    def test_faults(self) -> None:
        """Faults are one line each and exit status 1."""
        self.assertEqual(1, self.call({"faults": ["MQTT_PORT = 'x': must be a port", "b"]}))
        self.assertEqual(("", 2), (self.out.getvalue(), self.err.getvalue().count("camdetect reload: ")))
