"""What a person types is checked field by field; each refusal names its field, and none shows a password."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model.decisions import StreamAddress, Verdict
from twisted_detector.operations.decisions.fields import (
    MAX_NAME,
    MAX_NOTE,
    read_line,
    read_login,
    read_network,
    read_note,
    read_searched_network,
    read_stream,
    read_verdict,
)

SECRET = "s3cr3t-of-the-barn"


class FieldCase(SynchronousTestCase):
    def refused(self, begin: str, read: object, *arguments: object) -> str:
        """The words with which a value is refused, which begin with these."""
        told = str(self.assertRaises(RemoteError, read, *arguments))
        self.assertTrue(told.startswith(begin), told)
        self.assertNotIn(SECRET, told)
        return told


class NameTests(FieldCase):
    def test_kept_as_typed(self) -> None:
        """Markup, emoji and letters of any script are a name; blanks around it are not part of it."""
        for text in ("Barn", "<b>Barn</b>", "🐄 barn & yard", "מצלמה", "\u200fחצר", "Türe", 'a"b\\c'):
            self.assertEqual(text, read_line("name", f"  {text} "))
        self.assertEqual("", read_line("name", "  "))

    def test_one_spelling(self) -> None:
        """Letters with accents have one spelling, whatever keyboard they came from."""
        self.assertEqual(read_line("name", "Tu\u0308re"), read_line("name", "T\u00fcre"))

    def test_refused(self) -> None:
        """What is no text, is too long, or would change how the text around it is shown."""
        for text in ("a\nb", "a\x00b", "a\x1b[2J", "a\x85b", "a\u2028b", "a\ud800", "a\u202eb", "a\u2066b"):
            self.refused("name: contains the character U+", read_line, "name", text)
        self.refused("name: must be text", read_line, "name", 5)
        self.refused("name: at most 64 characters; this has 500", read_line, "name", "x" * 500)
        self.refused("area: at most 64 characters; this has 10240", read_line, "area", "x" * 10_240)
        self.assertEqual("x" * MAX_NAME, read_line("name", "x" * MAX_NAME))

    def test_note(self) -> None:
        """A note has lines; else it is as a name."""
        self.assertEqual(
            "on the gable\n\tladder in the barn", read_note("note", "on the gable\r\n\tladder in the barn\n")
        )
        self.assertEqual(MAX_NOTE, len(read_note("note", "x" * MAX_NOTE)))
        self.refused("note: at most 500 characters; this has 501", read_note, "note", "x" * 501)
        self.refused("note: contains the character U+202E", read_note, "note", "a\u202eb")
        self.refused("note: must be text", read_note, "note", ["a"])

    @given(st.text())
    def test_whatever_comes(self, text: str) -> None:
        """What is read is read again as the same, and is one line that can be written down."""
        try:
            line = read_line("name", text)
        except RemoteError:
            return
        self.assertEqual(line, read_line("name", line))
        self.assertEqual(1, len(f"x{line}".splitlines()))
        line.encode()


class LoginTests(FieldCase):
    def test_read(self) -> None:
        """A password may have anything but control characters; it is not shown."""
        login = read_login("viewer", f"{SECRET}: 'ü' ")
        self.assertEqual(("viewer", f"{SECRET}: 'ü' "), (login.name, login.password.reveal()))
        self.assertNotIn(SECRET, repr(login))
        self.assertEqual("", read_login("viewer", "").password.reveal())

    def test_refused(self) -> None:
        """The field is named; the password is in no refusal."""
        for user in ("", None, 5, ["viewer"]):
            self.refused("user: must not be empty", read_login, user, SECRET)
        self.refused("password: must be text", read_login, "viewer", None)
        self.refused("user: must not contain a colon", read_login, "a:b", SECRET)
        self.refused("user: must not contain a colon", read_login, "[camera x]", SECRET)
        for mark in ("\n", "\r", "\0", "\x1b", "\x7f", "\x9f", "\ud800"):
            self.refused("password: contains a control character", read_login, "viewer", SECRET + mark)
            self.refused("user: contains a control character", read_login, f"a{mark}", SECRET)
        self.refused("password: at most 256 bytes; this has", read_login, "viewer", SECRET + "x" * 10_240)
        self.refused("user: at most 64 bytes; this has 10240", read_login, "x" * 10_240, SECRET)
        self.refused("password: at most 256 bytes; this has 258", read_login, "viewer", "ü" * 129)


class StreamTests(FieldCase):
    def test_read(self) -> None:
        """A URL is taken apart: what is on the camera, its host, and a login that stood in it."""
        for text, address, host in (
            ("rtsp://10.0.0.5:5566/live/1?x=1", StreamAddress("rtsp", 5566, "/live/1?x=1"), "10.0.0.5"),
            ("rtsps://barn.example", StreamAddress("rtsps", 322, "/"), "barn.example"),
            ("RTSP://[fd00::5]/a", StreamAddress("rtsp", 554, "/a"), "fd00::5"),
        ):
            self.assertEqual((address, None, host), read_stream("main", f" {text} "))
        self.assertEqual((None, None, ""), read_stream("main", " "))

    def test_login(self) -> None:
        """A login in the URL is taken out of it, with what was escaped."""
        address, login, host = read_stream("main", "rtsp://view%40er:p%3A%2Fw@10.0.0.5/live")
        self.assertEqual((StreamAddress("rtsp", 554, "/live"), "10.0.0.5"), (address, host))
        assert login is not None
        self.assertEqual(("view@er", "p:/w"), (login.name, login.password.reveal()))
        self.assertNotIn("p:/w", repr((address, login, host)))

    def test_refused(self) -> None:
        """What is no RTSP URL is refused without showing it, for it may hold a password."""
        for text in (
            f"http://viewer:{SECRET}@10.0.0.5/live",
            f"rtsp://viewer:{SECRET}@/live",
            f"rtsp://viewer:{SECRET}@10.0.0.5:99999/live",
            f"rtsp://viewer:{SECRET}@10.0.0.5:0/live",
            f"rtsp://viewer:{SECRET}/x@10.0.0.5/live",
            f"rtsp://viewer:{SECRET}@10.0.0.5/li\nve",
            f"rtsp://viewer:{SECRET}@10.0.0.5/{'x' * 10_240}",
            SECRET,
        ):
            self.refused("main: must be like rtsp://", read_stream, "main", text)
        self.refused("sub: must be text", read_stream, "sub", None)
        self.refused(
            "password: contains a control character", read_stream, "main", f"rtsp://a:{SECRET}%0A@10.0.0.5/live"
        )
        self.refused("main: port 37777 is not an RTSP port", read_stream, "main", "rtsp://10.0.0.5:37777/")


class NetworkTests(FieldCase):
    def test_read(self) -> None:
        """CIDR notation, in any spelling of the same network."""
        for text in ("10.2.0.0/16", " 10.2.0.0/16 ", "10.2.0.0/255.255.0.0"):
            self.assertEqual(ip_network("10.2.0.0/16"), read_network("network", text))
        self.assertEqual(ip_network("fd00::/64"), read_network("network", "FD00:0::/64"))
        self.assertIsNone(read_network("network", " "))

    def test_refused(self) -> None:
        """One with bits beyond its prefix is told with the one that is meant."""
        told = self.refused("network: has bits beyond its prefix", read_network, "network", "10.2.3.4/16")
        self.assertIn("10.2.0.0/16", told)
        for text in ("10.2.3", "10.2.3.4/33", "barn", "x" * 10_240, "10.0.0.0/8\n10.1.0.0/16"):
            self.refused("network: must be a network such as", read_network, "network", text)
        self.refused("network: must be text", read_network, "network", 10)

    def test_to_be_searched(self) -> None:
        """What is searched has hosts, is not this machine, and is no larger than what SCAN_NETWORKS may name."""
        for text in ("10.2.0.0/16", "192.168.1.7", "fd00::/112"):
            self.assertEqual(ip_network(text), read_searched_network("network", text))
        for text, words in (
            ("", "must be a network such as"),
            ("10.0.0.0/15", "is too large; at most 65536 addresses (a /16)"),
            ("0.0.0.0/0", "is not a network of hosts"),
            ("fd00::/64", "is too large; at most 65536 addresses (a /112)"),
            ("127.0.0.0/24", "is this machine itself"),
            ("::1/128", "is this machine itself"),
            ("224.0.0.0/24", "is not a network of hosts"),
            ("255.255.255.255/32", "is not a network of hosts"),
        ):
            self.assertIn(words, self.refused("network: ", read_searched_network, "network", text))


class VerdictTests(FieldCase):
    def test_words(self) -> None:
        """The three words, TOML's own two, and "" for no word."""
        wanted = {"yes": Verdict.ADOPTED, "no": Verdict.UNADOPTED, "blocked": Verdict.BLOCKED, "": None}
        wanted_flags = {True: Verdict.ADOPTED, False: Verdict.UNADOPTED}
        for value, verdict in (*wanted.items(), *wanted_flags.items()):
            self.assertIs(verdict, read_verdict("adopted", value))
        for other in ("true", "YES", 1, None, [], {}):
            self.refused("adopted: must be one of yes, no, blocked", read_verdict, "adopted", other)
