"""``camdetect simulate``: arguments become cameras, faults are named at once, each camera has a line."""

from __future__ import annotations

import io
from argparse import Namespace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.main import build_parser
from twisted_detector.errors import ConfigError
from twisted_detector.model import Mac
from twisted_detector.testing.simulator.camera import MADE_UP_LOGIN, Auth, Quirks
from twisted_detector.testing.simulator.command import LOGIN_VARIABLE, lines_of, read_login, simulate, specs_of
from twisted_detector.testing.simulator.fleet import Fleet

FAULTY = "simulate --bind here 239.1.1.1 --quirk x --mac 1 --http-port 70000 --rtsp-port -1"
THREE = (
    "simulate --count 3 --bind 127.0.0.2 127.0.0.3 --auth wsse --quirk busy --quirk delay=1"
    " --http-port 80 --rtsp-port 554 --no-onvif --mac 00:40:8c:00:00:01"
)


class Simulate(SynchronousTestCase):
    def arguments(self, *words: str) -> Namespace:
        return build_parser().parse_args(words)

    def test_specs(self) -> None:
        """The arguments become cameras."""
        arguments = self.arguments(*THREE.split())
        first, second, third = specs_of(arguments, MADE_UP_LOGIN, mac_of=lambda _: None)
        self.assertEqual((first.address, second.address, third.address), ("127.0.0.2", "127.0.0.3", "127.0.0.2"))
        self.assertEqual((first.http_port, first.rtsp_port, third.rtsp_port), (80, 554, 555))
        self.assertEqual((first.auth, first.onvif, first.quirks), (Auth.WSSE, False, Quirks(busy=True, delay=1.0)))
        self.assertEqual((first.mac, second.mac), (Mac("00:40:8c:00:00:01"), None))

    def test_vendors(self) -> None:
        """Protocols of manufacturers are named once each; an unknown one is a fault that lists the known ones."""
        words = ["simulate", "--vendor", "sadp", "--vendor", "xm", "--vendor", "sadp"]
        (spec,) = specs_of(self.arguments(*words), MADE_UP_LOGIN, mac_of=lambda _: None)
        self.assertEqual(("sadp", "xm"), spec.vendors)
        for more, told in (
            ("--vendor bell", "--vendor bell: no such protocol"),
            ("--vendor xm --bind ::1", "IPv4 only"),
        ):
            with self.assertRaises(ConfigError) as caught:
                specs_of(self.arguments("simulate", *more.split()), MADE_UP_LOGIN, mac_of=lambda _: None)
            self.assertIn(told, str(caught.exception))

    def test_faults_at_once(self) -> None:
        """All faults are named in one message, with exit status 2, and nothing is started."""
        arguments = self.arguments(*FAULTY.split())
        err = io.StringIO()
        self.assertEqual(simulate(arguments, {}, None, out=io.StringIO(), err=err), 2)
        for word in ("here", "239.1.1.1", "--quirk x", "--mac 1", "--http-port 70000", "--rtsp-port -1"):
            self.assertIn(word, err.getvalue())

    def test_count(self) -> None:
        """No camera at all is a fault."""
        with self.assertRaises(ConfigError):
            specs_of(self.arguments("simulate", "--count", "0"), MADE_UP_LOGIN, mac_of=lambda _: None)

    def test_login(self) -> None:
        """The file comes before the environment before the made-up pair; no fault shows the password."""
        path = Path(self.mktemp())
        path.write_text("guest:s3:cret\nmore\n")
        self.assertIs(read_login({}, ""), MADE_UP_LOGIN)
        login = read_login({LOGIN_VARIABLE: "a:b"}, "")
        self.assertEqual((login.name, login.password.reveal()), ("a", "b"))
        login = read_login({LOGIN_VARIABLE: "a:b"}, str(path))
        self.assertEqual((login.name, login.password.reveal()), ("guest", "s3:cret"))
        for environ, name in (({LOGIN_VARIABLE: "hunter2"}, ""), ({}, str(path) + "x")):
            with self.assertRaises(ConfigError) as caught:
                read_login(environ, name)
            self.assertNotIn("hunter2", str(caught.exception))

    def test_lines(self) -> None:
        """One line for each camera tells MAC, addresses and picture."""
        specs = specs_of(self.arguments("simulate", "--count", "2"), MADE_UP_LOGIN, mac_of=lambda _: None)
        lines = lines_of(Fleet(None, specs))
        self.assertEqual(len(lines), 2)
        for part in (
            specs[1].hardware_address.text,
            "http://127.0.0.1:8001/onvif",
            "rtsp://127.0.0.1:8555/stream1",
            "640x360",
        ):
            self.assertIn(part, lines[1])
