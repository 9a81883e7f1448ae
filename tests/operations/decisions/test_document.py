"""The text of the overrides is read: what is right counts, what is not is left out and told with its place."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model import Login, Secret
from twisted_detector.model.decisions import CameraDecisions, Decisions, Description, StreamAddress, Verdict
from twisted_detector.model.login_rules import Audience, LoginRule
from twisted_detector.operations.decisions.document import MAX_CAMERAS, MAX_FAULTS, MAX_NETWORKS, MAX_SETTINGS, parse

SECRET = "s3cr3t-of-the-barn"
DOCS = Path(__file__).resolve().parents[3] / "docs/operations/decisions.md"

WHOLE = """
[camera.00408cabcdef]
name = "Barn"
area = "Yard"
note = "on the gable\\nladder in the barn"
adopted = "yes"
login = "viewer:pass:word"
main = "rtsp://camera:5566/live/1"
sub = "rtsp://camera:5566/live/2"
network = "10.20.0.0/24"

[site]
networks = ["10.30.0.0/24", "10.31.0.7"]

[logins]
"network 10.20.0.0/24" = ["viewer:password"]
default = ["admin:x"]

[settings]
MQTT_BROKER = "192.168.1.5"
MQTT_PORT = 1883
MQTT_TLS = false
"""


class ReadTests(SynchronousTestCase):
    def test_all(self) -> None:
        """Everything that may stand in the file."""
        found = parse(WHOLE)
        self.assertEqual((), found.faults)
        self.assertEqual(
            CameraDecisions(
                Description("Barn", "Yard", "on the gable\nladder in the barn"),
                Verdict.ADOPTED,
                Login("viewer", Secret("pass:word")),
                StreamAddress("rtsp", 5566, "/live/1"),
                StreamAddress("rtsp", 5566, "/live/2"),
                ip_network("10.20.0.0/24"),
            ),
            found.decisions.of("00408cabcdef"),
        )
        self.assertEqual((ip_network("10.30.0.0/24"), ip_network("10.31.0.7/32")), found.decisions.networks)
        rule = LoginRule("viewer", Secret("password"), Audience.NETWORK, "10.20.0.0/24")
        self.assertEqual((rule, Login("admin", Secret("x"))), found.decisions.logins)
        settings = {"MQTT_BROKER": "192.168.1.5", "MQTT_PORT": "1883", "MQTT_TLS": "false"}
        self.assertEqual(settings, dict(found.decisions.settings))

    def test_nothing(self) -> None:
        """An empty file, tables without entries and values that are "" decide nothing."""
        for text in (
            "",
            "# nothing yet\n",
            "[camera.a]\n",
            '[camera.a]\nname = ""\nlogin = ""\nmain = ""\n',
            "[site]\n",
        ):
            self.assertEqual(Decisions(), parse(text).decisions)
            self.assertEqual((), parse(text).faults)

    def test_login_in_a_url(self) -> None:
        """A login in a stream's URL is the camera's, unless it has an entry of its own."""
        url = 'main = "rtsp://viewer:look@camera/live"\n'
        for more, name in (("", "viewer"), ('login = "admin:x"\n', "admin")):
            found = parse(f"[camera.a]\n{url}{more}").decisions.of("a")
            assert found.login is not None
            self.assertEqual((name, StreamAddress("rtsp", 554, "/live")), (found.login.name, found.main))

    def test_the_page_of_documents(self) -> None:
        """The examples of docs/operations/decisions.md are read without a fault."""
        blocks = DOCS.read_text().split("```toml\n")[1:]
        self.assertTrue(blocks)
        for block in blocks:
            found = parse(block.partition("```")[0])
            self.assertEqual((), found.faults)
            self.assertNotEqual(Decisions(), found.decisions)


class FaultTests(SynchronousTestCase):
    def faults(self, text: str, count: int = 1) -> str:
        faults = parse(text).faults
        self.assertEqual(count, len(faults), faults)
        told = "\n".join(faults)
        self.assertNotIn(SECRET, told)
        self.assertTrue(told.isprintable() or "\n" in told, told)
        return told

    def test_one_entry(self) -> None:
        """An entry with a mistake is left out and told with its place; the others of that camera count."""
        for line, words in (
            ("name = 5", "name: must be text"),
            (f'name = "{"x" * 500}"', "name: at most 64 characters"),
            ('adopted = "maybe"', "adopted: must be one of"),
            (f'login = "{SECRET}"', "login: must be user:password"),
            (f'login = ["viewer:{SECRET}"]', "login: must be user:password"),
            (f'login = "viewer:{SECRET}\\n"', "password: contains a control character"),
            (f'main = "http://viewer:{SECRET}@10.0.0.5/"', "main: must be like rtsp://"),
            ('network = "10.0.0.5/24"', "network: has bits beyond its prefix"),
            (
                f'pasword = "{SECRET}"',
                "pasword: unknown; there are name, area, note, adopted, login, main, sub, network",
            ),
            (f'"{SECRET[:3]}\\u202e" = 1', "unknown; there are"),
        ):
            text = f'[camera.a]\narea = "Yard"\n{line}\n'
            told = self.faults(text)
            self.assertTrue(told.startswith("[camera.a] "), told)
            self.assertIn(words, told)
            self.assertEqual(CameraDecisions(Description(area="Yard")), parse(text).decisions.of("a"))

    def test_numbers_without_end(self) -> None:
        """More digits than Python reads are no TOML; more than it writes are no setting."""
        for number in ("9" * 5000, "-" + "1" * 20_000):
            with self.assertRaisesRegex(RemoteError, "too many digits"):
                parse(f"[settings]\nMQTT_PORT = {number}\n")
        told = self.faults(f"[settings]\nMQTT_PORT = 0x{'f' * 5000}\n")
        self.assertEqual("[settings] MQTT_PORT: must be text", told)

    def test_many(self) -> None:
        """So many mistakes are told, and the number of the others."""
        text = "".join(f"[camera.c{number}]\nname = 5\n" for number in range(MAX_FAULTS + 7))
        self.assertTrue(self.faults(text, MAX_FAULTS + 1).endswith("\nand 7 more"))
        self.assertLess(len(self.faults(f'"{"x" * 5000}\\u202e" = 1\n')), 200)

    def test_tables(self) -> None:
        """A table of another name, or of another kind, is told, and the rest counts."""
        rest = '[camera.b]\nname = "Barn"\n'
        for text, words in (
            ("[cameras.a]\nname = 'x'\n", "cameras: unknown; there are [camera.ID], [site], [logins] and [settings]"),
            ("[camera]\na = 5\n", "[camera.a]: must be a table named by a camera's id"),
            ('[camera."A b"]\nname = "x"\n', "[camera.A b]: must be a table named by a camera's id"),
            (f'[camera."{"x" * 500}"]\nname = "x"\n', "must be a table named by a camera's id"),
            ("[site]\nnetwork = []\n", "[site] network: unknown; there is networks"),
            ("[site]\nnetworks = 5\n", "[site] networks: must be a list of texts"),
            ("[site]\nnetworks = [5]\n", "[site] networks: must be text"),
            ('[site]\nnetworks = ["127.0.0.0/8"]\n', "[site] networks: 127.0.0.0/8 is this machine itself"),
            ('[site]\nnetworks = ["10.0.0.0/8"]\n', "[site] networks: 10.0.0.0/8 is too large"),
            (f'[logins]\n"{SECRET}" = ["a:b"]\n', "unknown heading"),
            (f'[logins]\ndefault = ["{SECRET}"]\n', "[logins] default: entry 2 is not user:password"),
            ("[settings]\nMQTT_BROKER = [1]\n", "[settings] MQTT_BROKER: must be text"),
        ):
            if words == "unknown heading":
                continue
            self.assertIn(words, self.faults(text + rest if "[camera]" not in text else text))
        self.assertIn("camera: must be a table", self.faults("camera = 5\n"))

    def test_a_heading_of_logins(self) -> None:
        """A heading that nobody knows is told; its logins are not shown."""
        self.assertIn("is a heading that is not known", self.faults(f'[logins]\n"who 1" = ["a:{SECRET}"]\n'))

    def test_no_toml(self) -> None:
        """A text that is no TOML is refused with the line, and without what stands there."""
        for text in (f'[camera.a]\nlogin = "viewer:{SECRET}\n', f"login = viewer:{SECRET}", "[camera.a]\n[camera.a]\n"):
            told = str(self.assertRaises(RemoteError, parse, text))
            self.assertTrue(told.startswith("it is not valid TOML"), told)
            self.assertNotIn(SECRET, told)
        self.assertIn("line 2", str(self.assertRaises(RemoteError, parse, '[camera.a]\nlogin = "x\n')))
        self.assertRaises(RemoteError, parse, "a = " + "[" * 100_000)

    def test_too_much(self) -> None:
        """Of everything there is at most so much; what is beyond is told and left out."""
        cameras = "".join(f'[camera.c{number}]\nname = "x"\n' for number in range(MAX_CAMERAS + 1))
        self.assertEqual(MAX_CAMERAS, len(parse(cameras).decisions.cameras))
        self.assertIn(f"at most {MAX_CAMERAS} cameras", self.faults(cameras))
        networks = ", ".join(f'"10.{n}.{m}.0/24"' for n in range(2) for m in range(200))
        found = parse(f"[site]\nnetworks = [{networks}]\n")
        self.assertEqual((MAX_NETWORKS, 1), (len(found.decisions.networks), len(found.faults)))
        networks = ", ".join(f'"10.{n}.0.0/16"' for n in range(20))
        found = parse(f"[site]\nnetworks = [{networks}]\n")
        self.assertEqual((16, 4), (len(found.decisions.networks), len(found.faults)))
        found = parse("[settings]\n" + "".join(f"A{n} = 1\n" for n in range(MAX_SETTINGS + 5)))
        self.assertEqual((MAX_SETTINGS, 1), (len(found.decisions.settings), len(found.faults)))

    @given(st.text())
    def test_whatever_comes(self, text: str) -> None:
        """Any text is read, or refused as no TOML."""
        try:
            parse(text)
        except RemoteError as error:
            self.assertTrue(str(error).startswith("it is "))
