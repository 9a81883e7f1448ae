"""Values as peers write them, and as we agree on them."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError, replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import stream
from twisted_detector import errors
from twisted_detector.errors import CamdetectError, LocalError, RemoteError
from twisted_detector.model import (
    MAX_TOPIC_BYTES,
    Camera,
    Interface,
    Login,
    Mac,
    Message,
    Priority,
    Secret,
    Status,
    host_for_url,
    parse_address,
    safe_id,
)
from twisted_detector.model.addresses import canonical_address, rehost, without_login


class MacTests(SynchronousTestCase):
    GOOD = (
        ("02:00:5e:10:00:ff", "02:00:5e:10:00:ff"),
        ("02-00-5E-10-00-FF", "02:00:5e:10:00:ff"),
        ("0200.5e10.00ff", "02:00:5e:10:00:ff"),
        ("02005E1000FF", "02:00:5e:10:00:ff"),
        (" 2:0:5e:10:0:ff ", "02:00:5e:10:00:ff"),
    )
    BAD = (
        "", " ", "02:00:5e:10:00", "02:00:5e:10:00:ff:01", "02:00:5e:10:00:fg", "02005e1000f", "02005e1000ff0",
        "02.00.5e.10.00.ff", "0200.5e1000ff", "020:0:5e:10:0:ff", "02:00:5e:10:00:", "02:00:5e:10:00:٣٣", "::::::",
        "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "33:33:00:00:00:01", "\x00" * 12,
    )  # fmt: skip

    def test_notations(self) -> None:
        """Every usual notation gives one canonical text."""
        for text, canonical in self.GOOD:
            self.assertEqual(canonical, Mac.parse(text).text, text)

    def test_refused(self) -> None:
        """What is no MAC, or names no single device, is refused as the peer's fault."""
        for text in self.BAD:
            with self.assertRaises(RemoteError, msg=repr(text)):
                Mac.parse(text)

    def test_octets(self) -> None:
        """Six octets are read as they stand; any other number is refused."""
        self.assertEqual("02:01:02:03:04:05", str(Mac.from_bytes(bytes([2, 1, 2, 3, 4, 5]))))
        for wrong in (b"", bytes(5), bytes(6), bytes(7), b"\xff" * 6):
            with self.assertRaises(RemoteError):
                Mac.from_bytes(wrong)

    def test_parts(self) -> None:
        """The compact form, the vendor's part and the bit that tells made-up addresses."""
        mac = Mac.parse("AC:CC:8E:01:02:03")
        self.assertEqual(("accc8e010203", "accc8e", False), (mac.compact, mac.oui, mac.locally_administered))
        self.assertTrue(Mac.parse("02:00:00:00:00:01").locally_administered)

    @given(st.text(max_size=30))
    @settings(max_examples=300, deadline=None)
    def test_any_text(self, text: str) -> None:
        """Any text at all is a MAC or a RemoteError."""
        try:
            mac = Mac.parse(text)
        except RemoteError:
            return
        self.assertEqual(mac, Mac.parse(mac.compact))

    @given(st.binary(min_size=6, max_size=6).filter(lambda octets: any(octets) and not octets[0] & 1))
    @settings(deadline=None)
    def test_round_trip(self, octets: bytes) -> None:
        """Octets come back from each notation of themselves."""
        mac = Mac.from_bytes(octets)
        compact = octets.hex()
        for text in (
            mac.text,
            mac.compact.upper(),
            mac.text.replace(":", "-"),
            ".".join(compact[n : n + 4] for n in (0, 4, 8)),
        ):
            self.assertEqual(mac, Mac.parse(text))


class SecretTests(SynchronousTestCase):
    def test_is_never_shown(self) -> None:
        """No way of turning a secret, or what holds one, into text shows it."""
        secret = Secret("canary-7f3a")
        login = Login("admin", secret)
        for shown in (
            str(secret),
            repr(secret),
            f"{secret}",
            f"{secret!r}",
            repr(login),
            f"{login}",
            repr([login]),
        ):
            self.assertNotIn("canary", shown)
        self.assertEqual("canary-7f3a", secret.reveal())

    def test_is_no_json(self) -> None:
        """A secret that gets into a document stops the document."""
        with self.assertRaises(TypeError):
            json.dumps({"password": Secret("canary")})

    def test_is_frozen_and_comparable(self) -> None:
        """Equal secrets are equal, and none can be changed."""
        self.assertEqual(Secret("a"), Secret("a"))
        self.assertNotEqual(Secret("a"), Secret("b"))
        with self.assertRaises(FrozenInstanceError):
            Secret("a")._text = "b"  # type: ignore[misc]
        self.assertEqual("a", copy.copy(Secret("a")).reveal())
        self.assertFalse(Secret(""))
        self.assertEqual("a", pickle.loads(pickle.dumps(Secret("a"))).reveal())


class MessageTests(SynchronousTestCase):
    def test_topics(self) -> None:
        """Wildcards, NUL, nothing, half a surrogate pair and too long a topic are faults of ours."""
        for topic in ("", "#", "a/#", "+/a", "a\0b", "\ud800", "x" * (MAX_TOPIC_BYTES + 1), "ü" * 32_768):
            with self.assertRaises(LocalError, msg=repr(topic[:10])):
                Message(topic, b"")
        self.assertEqual("x" * MAX_TOPIC_BYTES, Message("x" * MAX_TOPIC_BYTES, b"").topic)

    def test_payload_and_qos(self) -> None:
        """A payload is bytes; QoS 2 is refused."""
        with self.assertRaises(LocalError):
            Message("a", "text")  # type: ignore[arg-type]
        for qos in (-1, 2, 3):
            with self.assertRaises(LocalError):
                Message("a", b"", qos=qos)
        message = Message("a", b"")
        self.assertEqual(
            (1, False, Priority.EVENT, None), (message.qos, message.retain, message.priority, message.expires_after)
        )

    def test_faults_do_not_show_everything(self) -> None:
        """A fault shows at most 200 characters of what was wrong."""
        with self.assertRaises(LocalError) as caught:
            Message("#" * 1000, b"")
        self.assertLess(len(str(caught.exception)), 300)

    def test_priorities(self) -> None:
        """Critical leaves first, telemetry last."""
        order = sorted([Priority.TELEMETRY, Priority.EVENT, Priority.CRITICAL, Priority.STATE])
        self.assertEqual(["CRITICAL", "STATE", "EVENT", "TELEMETRY"], [priority.name for priority in order])


class AddressTests(SynchronousTestCase):
    def test_hosts_in_urls(self) -> None:
        """IPv6 stands in brackets, its scope behind %25."""
        for address, host in (("10.0.0.1", "10.0.0.1"), ("fe80::1", "[fe80::1]"), ("fe80::1%eth0", "[fe80::1%25eth0]")):
            self.assertEqual(host, host_for_url(address))

    def test_parsing(self) -> None:
        """Addresses are read, anything else is a RemoteError."""
        self.assertEqual(6, parse_address("fe80::1%eth0").version)
        for text in ("", "camera.local", "10.0.0.256", "010.0.0.1", "10.0.0.1/24", "[::1]", "1"):
            with self.assertRaises(RemoteError, msg=text):
                parse_address(text)

    def test_one_notation(self) -> None:
        """Every notation of an address is the same address; addresses of nobody are refused."""
        for text, canonical in (
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("FE80:0:0:0::1%eth0", "fe80::1%eth0"),
        ):
            self.assertEqual(canonical, canonical_address(text))
        for text in ("0.0.0.0", "::", "239.255.255.250", "ff02::c", "255.255.255.255", "x"):
            with self.assertRaises(RemoteError, msg=text):
                canonical_address(text)

    def test_urls_lose_their_login(self) -> None:
        """User and password before a host go; an @ elsewhere stays."""
        for url, public in (
            ("rtsp://admin:se@cret@10.0.0.1:554/a?b=c@d", "rtsp://10.0.0.1:554/a?b=c@d"),
            ("http://u@[fe80::1]/", "http://[fe80::1]/"),
            ("rtsp://10.0.0.1/@x", "rtsp://10.0.0.1/@x"),
            ("no url: a@b", "no url: a@b"),
            ("", ""),
        ):
            self.assertEqual(public, without_login(url))

    def test_urls_move(self) -> None:
        """A URL of the old address names the new one, and only such a URL."""
        for url, moved in (
            ("rtsp://10.0.0.1:554/a", "rtsp://10.0.0.2:554/a"),
            ("http://10.0.0.1", "http://10.0.0.2"),
            ("rtsp://10.0.0.11/a", "rtsp://10.0.0.11/a"),
            ("rtsp://10.0.0.1.example/a", "rtsp://10.0.0.1.example/a"),
            ("rtsp://other/10.0.0.1", "rtsp://other/10.0.0.1"),
            ("", ""),
        ):
            self.assertEqual(moved, rehost(url, "10.0.0.1", "10.0.0.2"))
        self.assertEqual("http://10.0.0.2:80/", rehost("http://[fe80::1%25eth0]:80/", "fe80::1%eth0", "10.0.0.2"))

    @given(st.text(max_size=200))
    @settings(deadline=None)
    def test_ids(self, text: str) -> None:
        """An id is fit for topics and file names whatever it is made of."""
        self.assertRegex(safe_id(text), r"\A[a-z0-9_-]{0,64}\Z")

    def test_interface_version(self) -> None:
        """An interface tells which IP it speaks."""
        self.assertEqual((4, 6), (Interface("e", 1, "10.0.0.1", 24).version, Interface("e", 1, "fe80::1", 64).version))


class CameraTests(SynchronousTestCase):
    def test_primary_url(self) -> None:
        """The first stream that plays, else the first, else none."""
        camera = Camera(id="x", device_id="x", address="10.0.0.5")
        self.assertEqual("", camera.primary_url)
        dead, alive = stream(path="dead", plays=False), stream(path="alive")
        self.assertEqual(dead.url, replace(camera, streams=(dead,)).primary_url)
        self.assertEqual(alive.url, replace(camera, streams=(dead, alive)).primary_url)

    def test_online(self) -> None:
        """Only one status is online."""
        camera = Camera(id="x", device_id="x", address="10.0.0.5")
        self.assertEqual([Status.ONLINE], [status for status in Status if replace(camera, status=status).online])


class ErrorTests(SynchronousTestCase):
    def test_every_error_has_a_text(self) -> None:
        """An error without words says the first line of its docstring, one without docstring its name."""
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CamdetectError)]
        self.assertGreater(len(kinds), 10)
        for kind in kinds:
            if kind is not errors.ConfigError:
                self.assertEqual((kind.__doc__ or "").splitlines()[0], str(kind()))

        class Nameless(CamdetectError):
            pass

        self.assertEqual("Nameless", str(Nameless()))

    def test_config_error_lists_every_fault(self) -> None:
        """Every fault stands in the text."""
        text = str(errors.ConfigError(("A: 1; allowed: 2", "B: 3; allowed: 4")))
        self.assertIn("  A: 1; allowed: 2\n  B: 3; allowed: 4", text)
