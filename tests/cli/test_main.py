"""The command line: its grammar, its faults and what it tells of a fleet."""

from __future__ import annotations

import io
import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import __version__
from twisted_detector.cli.list import as_json, as_lines
from twisted_detector.cli.main import AUTH_WORDS, build_parser, main
from twisted_detector.cli.screen import pairs, screen
from twisted_detector.cli.show import matching
from twisted_detector.cli.status import status
from twisted_detector.cli.watch import watch
from twisted_detector.errors import ConfigError
from twisted_detector.model import Camera, Mac, Status, Stream
from twisted_detector.testing.simulator.camera import MADE_UP_LOGIN, Auth, Quirks
from twisted_detector.testing.simulator.command import LOGIN_VARIABLE, lines_of, read_login, simulate, specs_of
from twisted_detector.testing.simulator.fleet import Fleet
from twisted_detector.testing.simulator.mac import mac_of_address

FAULTY = "simulate --bind here 239.1.1.1 --quirk x --mac 1 --http-port 70000 --rtsp-port -1"
THREE = (
    "simulate --count 3 --bind 127.0.0.2 127.0.0.3 --auth wsse --quirk busy --quirk delay=1"
    " --http-port 80 --rtsp-port 554 --no-onvif --mac 00:40:8c:00:00:01"
)


class Grammar(SynchronousTestCase):
    def arguments(self, *words: str) -> Namespace:
        return build_parser().parse_args(words)

    def printed(self, *words: str) -> str:
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        with self.assertRaises(SystemExit) as caught:
            main(words)
        self.assertEqual(caught.exception.code, 0)
        return out.getvalue()

    def test_version_and_help(self) -> None:
        """--version and --help answer; the help of simulate names every quirk."""
        self.assertEqual(self.printed("--version").split(), ["camdetect", __version__])
        self.assertIn("simulate", self.printed("--help"))
        told = self.printed("simulate", "--help")
        for quirk in Quirks.__dataclass_fields__:
            self.assertIn(quirk, told)

    def test_words_are_those_of_the_simulator(self) -> None:
        """--auth offers what the simulator knows."""
        self.assertEqual(AUTH_WORDS, tuple(Auth))

    def test_nothing_chosen(self) -> None:
        """No command, or an unknown one, is exit status 2."""
        for words in ((), ("dance",)):
            self.patch(sys, "stderr", io.StringIO())
            with self.assertRaises(SystemExit) as caught:
                main(words)
            self.assertEqual(caught.exception.code, 2)

    def test_specs(self) -> None:
        """The arguments become cameras."""
        arguments = self.arguments(*THREE.split())
        first, second, third = specs_of(arguments, MADE_UP_LOGIN, mac_of=lambda _: None)
        self.assertEqual((first.address, second.address, third.address), ("127.0.0.2", "127.0.0.3", "127.0.0.2"))
        self.assertEqual((first.http_port, first.rtsp_port, third.rtsp_port), (80, 554, 555))
        self.assertEqual((first.auth, first.onvif, first.quirks), (Auth.WSSE, False, Quirks(busy=True, delay=1.0)))
        self.assertEqual((first.mac, second.mac), (Mac("00:40:8c:00:00:01"), None))

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


class Listing(SynchronousTestCase):
    camera = Camera(
        "aabbccddeeff",
        "aabbccddeeff",
        "10.0.0.9",
        name="Front\x1b[31m door",
        manufacturer="Sim",
        streams=(Stream("rtsp://10.0.0.9/a"), Stream("rtsp://10.0.0.9/b", validated=True)),
        status=Status.ONLINE,
    )

    def test_table(self) -> None:
        """People get a table: control characters out, nothing said as a dash, the proved stream."""
        heading, line = as_lines([self.camera])
        self.assertEqual(line.index("online"), heading.index("STATUS"))
        self.assertIn("Front[31m door", line)
        self.assertTrue(line.endswith("  rtsp://10.0.0.9/b"))
        unsaid = as_lines([replace(self.camera, name="", manufacturer="", streams=())])[1]
        self.assertEqual(unsaid.split()[-3:], ["-", "-", "-"])

    def test_json(self) -> None:
        """Programs get every field."""
        (document,) = json.loads(as_json([self.camera]))
        self.assertEqual((document["id"], document["streams"][1]["url"]), (self.camera.id, "rtsp://10.0.0.9/b"))


class Hardware(SynchronousTestCase):
    def test_mac_of_an_interface(self) -> None:
        """The MAC is read where the kernel shows it; unknown addresses, loopback and odd contents have none."""
        root = Path(self.mktemp())
        for name, text in (("eth0", "00:40:8C:01:02:03\n"), ("lo", "00:00:00:00:00:00\n"), ("ib0", "80:00" * 10)):
            (root / name).mkdir(parents=True)
            (root / name / "address").write_text(text)
        names = {"10.0.0.1": "eth0", "127.0.0.1": "lo", "10.0.0.2": "ib0", "10.0.0.3": "gone"}
        found = {
            address: mac_of_address(address, interface=lambda asked: names.get(asked, ""), root=root)
            for address in (*names, "10.0.0.4")
        }
        self.assertEqual(found.pop("10.0.0.1"), Mac("00:40:8c:01:02:03"))
        self.assertEqual(set(found.values()), {None})


class Showing(SynchronousTestCase):
    cameras = (
        Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door"),
        Camera("aabbccddeeff_2", "aabbccddeeff", "10.0.0.9", name="Yard"),
        Camera("001122334455", "001122334455", "10.0.0.10", name="Yard"),
    )

    def test_which(self) -> None:
        """A camera is meant by id, by MAC as people write it, by address or by name; all that it fits are shown."""
        for word, ids in (
            ("aabbccddeeff", [0]),
            ("AA:BB:CC:DD:EE:FF", [0]),
            ("10.0.0.9", [0, 1]),
            ("yard", [1, 2]),
            ("nobody", []),
        ):
            self.assertEqual(matching(self.cameras, word), [self.cameras[index] for index in ids], word)

    def test_nothing_moves_the_cursor(self) -> None:
        """What a device says of itself is shown without control characters, and not read as markup."""
        out = io.StringIO()
        screen(out).print(pairs((("name", "a\x1b[2J\x07[bold red]b"), ("none", ""))))
        self.assertEqual("name  a[2J[bold red]b\n", out.getvalue())

    def test_daemon_away(self) -> None:
        """Without a daemon, status and --watch say so with exit status 1; --quiet writes nothing to standard output."""
        for act in (
            lambda path, out, err: status(path, use_json=False, quiet=True, out=out, err=err),
            lambda path, out, err: watch(path, out=out, err=err),
        ):
            out, err = io.StringIO(), io.StringIO()
            self.assertEqual(1, act(Path(self.mktemp()), out, err))
            self.assertEqual("", out.getvalue())
            self.assertIn("no daemon answers", err.getvalue())
