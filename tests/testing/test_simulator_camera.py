"""The simulated camera's facts, its clips and its account."""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import ConfigError, LocalError
from twisted_detector.model import Login, Mac, Secret
from twisted_detector.testing.simulator.access import MAX_NONCES, NONCE_SECONDS, AccessVerdict, SimulatedAccess
from twisted_detector.testing.simulator.camera import Auth, CameraSpec, Quirks, parse_quirks
from twisted_detector.testing.simulator.fleet import lay_out
from twisted_detector.testing.simulator.media.clip import main_clip, read_clip, sub_clip
from twisted_detector.wire.http.digest import Challenge, authorization, parse_challenges
from twisted_detector.wire.lan.wsdiscovery import read_scopes
from twisted_detector.wire.soap.envelope import envelope, format_time, parse_request, username_token


class Facts(SynchronousTestCase):
    def test_same_seed_same_camera(self) -> None:
        """A seed gives the same reference, serial number and MAC for ever, another seed others."""
        first, again, other = (CameraSpec("10.0.0.1", seed=seed) for seed in ("a", "a", "b"))
        self.assertEqual(first.endpoint_reference, "urn:uuid:488063c3-234c-5324-8256-e22bbd928333")
        for fact in ("endpoint_reference", "serial_number", "hardware_address"):
            self.assertEqual(getattr(first, fact), getattr(again, fact))
            self.assertNotEqual(getattr(first, fact), getattr(other, fact))
        self.assertTrue(first.hardware_address.locally_administered)

    def test_scopes_can_be_read(self) -> None:
        """The client's reader finds name, hardware and MAC in the scopes, blanks included."""
        spec = CameraSpec("10.0.0.1", name="Front door", mac=Mac("00:40:8c:01:02:03"))
        facts = read_scopes(spec.scopes)
        self.assertEqual((facts.name, facts.hardware, facts.mac), ("Front door", "SIM-360", spec.mac))

    def test_urls(self) -> None:
        """URLs hold the address in brackets where that is needed, and the host of a quirk instead."""
        plain = CameraSpec("fd00::1", http_port=80, rtsp_port=554)
        self.assertEqual(plain.service_url("device"), "http://[fd00::1]:80/onvif/device_service")
        self.assertEqual(plain.stream_url(plain.streams[1]), "rtsp://[fd00::1]:554/stream2")
        odd = CameraSpec("10.0.0.1", quirks=Quirks(xaddr_host="127.0.0.1", secret_path="/x?a=1"))
        self.assertEqual(odd.service_url("media"), "http://127.0.0.1:8000/onvif/media_service")
        self.assertEqual([stream.path for stream in odd.streams], ["/x?a=1", "/x?a=1_sub"])

    def test_quirks_from_words(self) -> None:
        """Words become quirks, and all wrong ones are named at once."""
        self.assertEqual(
            parse_quirks(["busy", "delay=0.5", "xaddr-host=a.b"]),
            Quirks(busy=True, delay=0.5, xaddr_host="a.b"),
        )
        with self.assertRaises(ConfigError) as caught:
            parse_quirks(["busy=1", "delay=x", "nonsense", "matches=2"])
        self.assertEqual(len(caught.exception.faults), 3)
        with self.assertRaises(ConfigError):
            parse_quirks(["matches=9"])

    def test_lay_out(self) -> None:
        """Cameras go over the addresses in turn; a second one on an address has the next ports and another MAC."""
        mac = Mac("00:40:8c:01:02:03")
        specs = lay_out(3, ["10.0.0.1", "10.0.0.2"], model=CameraSpec("x", http_port=80), mac_of=lambda _: mac)
        self.assertEqual(
            [(spec.address, spec.http_port, spec.rtsp_port) for spec in specs],
            [("10.0.0.1", 80, 8554), ("10.0.0.2", 80, 8554), ("10.0.0.1", 81, 8555)],
        )
        self.assertEqual([spec.mac for spec in specs], [mac, mac, None])
        self.assertEqual(len({spec.uuid for spec in specs}), 3)
        for count, addresses, port in ((0, ["a"], 80), (1, [], 80), (2, ["a"], 65_535)):
            with self.assertRaises(LocalError):
                lay_out(count, addresses, model=CameraSpec("x", http_port=port))


class Clips(SynchronousTestCase):
    def test_shipped_clips(self) -> None:
        """Both clips are 60 pictures with a keyframe each second, of the size that they are announced with."""
        for clip, size in ((main_clip(), (640, 360)), (sub_clip(), (320, 180))):
            self.assertEqual((clip.width, clip.height, clip.fps), (*size, 15.0))
            self.assertEqual([n for n, unit in enumerate(clip.units) if unit.keyframe], [0, 15, 30, 45])
            self.assertEqual(len(clip.units), 60)

    def test_slices_of_one_picture(self) -> None:
        """Slices that do not begin at macroblock 0 belong to the picture before."""
        clip = main_clip()
        units = (clip.sps, clip.pps, b"\x65\x88", b"\x65\x40", b"\x41\x9a", b"\x41\x40")
        read = read_clip(b"".join(b"\0\0\0\1" + unit for unit in units))
        self.assertEqual([len(unit.nals) for unit in read.units], [4, 2])

    def test_unusable_clips(self) -> None:
        """A clip without parameter sets, or that begins with no keyframe, is a fault of ours."""
        clip = main_clip()
        for units in ((b"\x65\x88",), (clip.sps, clip.pps, b"\x41\x9a"), (clip.sps, b"\x65\x88")):
            with self.assertRaises(LocalError):
                read_clip(b"".join(b"\0\0\1" + unit for unit in units))


class Accounts(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)

    def guard(self, **quirks: float) -> SimulatedAccess:
        spec = CameraSpec("10.0.0.1", login=Login("viewer", Secret("right")), quirks=Quirks(**quirks))  # type: ignore[arg-type]
        return SimulatedAccess(spec, clock=self.clock, random=Random(1))

    def digest(
        self, guard: SimulatedAccess, password: str, *, auth: Auth = Auth.DIGEST, which: int = 0, uri: str = "/x"
    ) -> AccessVerdict:
        challenge = parse_challenges(guard.challenges(auth))[which]
        header = authorization(challenge, "viewer", password, "POST", uri, cnonce="c")
        return guard.check(auth, header, "POST", "/x")

    def test_open(self) -> None:
        """A camera without authentication lets everybody in and counts nothing."""
        guard = self.guard()
        self.assertEqual(guard.check(Auth.NONE, "", "POST", "/x"), AccessVerdict.GRANTED)
        self.assertEqual(guard.challenges(Auth.NONE), ())

    def test_digest(self) -> None:
        """The right password comes in with either algorithm on offer; SHA-256 is offered first."""
        guard = self.guard()
        algorithms = [item.algorithm for item in parse_challenges(guard.challenges(Auth.DIGEST_SHA256))]
        self.assertEqual(algorithms, ["SHA-256", "MD5"])
        for which in (0, 1):
            self.assertEqual(self.digest(guard, "right", auth=Auth.DIGEST_SHA256, which=which), AccessVerdict.GRANTED)
        self.assertEqual(self.digest(guard, "right"), AccessVerdict.GRANTED)
        self.assertEqual((guard.successes, guard.failures), (3, 0))

    def test_digest_refused(self) -> None:
        """A wrong password, a wrong uri, an algorithm that was not offered and another scheme are failures."""
        guard = self.guard()
        self.assertEqual(self.digest(guard, "wrong"), AccessVerdict.REFUSED)
        self.assertEqual(self.digest(guard, "right", uri="/y"), AccessVerdict.REFUSED)
        challenge = parse_challenges(guard.challenges(Auth.DIGEST))[0]
        stronger = Challenge("digest", challenge.realm, challenge.nonce, "SHA-256", "auth")
        header = authorization(stronger, "viewer", "right", "POST", "/x", cnonce="c")
        self.assertEqual(guard.check(Auth.DIGEST, header, "POST", "/x"), AccessVerdict.REFUSED)
        self.assertEqual(guard.check(Auth.DIGEST, "Basic dmlld2VyOnJpZ2h0", "POST", "/x"), AccessVerdict.REFUSED)
        self.assertEqual(guard.failures, 4)

    def test_uri_of_a_whole_url(self) -> None:
        """For a request line with a whole URL, Digest may name the URL or its path."""
        guard = self.guard()
        for uri in ("rtsp://h:1/a?b=c", "/a?b=c"):
            challenge = parse_challenges(guard.challenges(Auth.DIGEST))[0]
            header = authorization(challenge, "viewer", "right", "PLAY", uri, cnonce="c")
            self.assertEqual(guard.check(Auth.DIGEST, header, "PLAY", "rtsp://h:1/a?b=c"), AccessVerdict.GRANTED)

    def test_nonces(self) -> None:
        """An unknown, an expired and a forgotten nonce are stale: asked again, not counted."""
        guard = self.guard()
        challenge = parse_challenges(guard.challenges(Auth.DIGEST))[0]
        header = authorization(challenge, "viewer", "right", "POST", "/x", cnonce="c")
        self.assertEqual(
            guard.check(Auth.DIGEST, header.replace(challenge.nonce, "0"), "POST", "/x"), AccessVerdict.STALE
        )
        self.clock.advance(NONCE_SECONDS)
        self.assertEqual(guard.check(Auth.DIGEST, header, "POST", "/x"), AccessVerdict.STALE)
        challenge = parse_challenges(guard.challenges(Auth.DIGEST))[0]
        header = authorization(challenge, "viewer", "right", "POST", "/x", cnonce="c")
        for _ in range(MAX_NONCES):
            guard.challenges(Auth.DIGEST)
        self.assertEqual(guard.check(Auth.DIGEST, header, "POST", "/x"), AccessVerdict.STALE)
        self.assertEqual(guard.failures, 0)
        self.assertTrue(parse_challenges(guard.challenges(Auth.DIGEST, stale=True))[0].stale)

    def test_basic(self) -> None:
        """Basic lets the right pair in, and no other."""
        guard = self.guard()
        self.assertEqual(guard.check(Auth.BASIC, "", "POST", "/x"), AccessVerdict.MISSING)
        self.assertEqual(guard.check(Auth.BASIC, "Basic dmlld2VyOnJpZ2h0", "POST", "/x"), AccessVerdict.GRANTED)
        self.assertEqual(guard.check(Auth.BASIC, "Basic dmlld2VyOndyb25n", "POST", "/x"), AccessVerdict.REFUSED)

    def token(
        self, guard: SimulatedAccess, *, created: float, nonce: bytes = b"n", password: str = "right"
    ) -> AccessVerdict:
        header = username_token("viewer", password, nonce=nonce, created=format_time(created))
        asked = parse_request(envelope("<a/>", header_xml=header))
        return guard.check_token(asked.header, now=self.clock.seconds())

    def test_token_window(self) -> None:
        """A token is good within five seconds of the camera's clock, and once."""
        guard = self.guard()
        now = self.clock.seconds()
        self.assertEqual(self.token(guard, created=now + 5, nonce=b"1"), AccessVerdict.GRANTED)
        self.assertEqual(self.token(guard, created=now - 6, nonce=b"2"), AccessVerdict.REFUSED)
        self.assertEqual(self.token(guard, created=now, nonce=b"1"), AccessVerdict.REFUSED)
        self.assertEqual(self.token(guard, created=now, nonce=b"3", password="wrong"), AccessVerdict.REFUSED)
        self.assertEqual(guard.check_token(None, now=now), AccessVerdict.MISSING)

    def test_lock(self) -> None:
        """After the allowed failures over all protocols the right password is refused too, until the time is over."""
        guard = self.guard(lock_after=2, lock_seconds=60)
        self.assertEqual(guard.attempts_left, 2)
        self.digest(guard, "wrong")
        self.assertEqual((guard.attempts_left, guard.locked), (1, False))
        self.token(guard, created=self.clock.seconds(), password="wrong")
        self.assertEqual((guard.locks, guard.locked), (1, True))
        self.assertEqual(self.digest(guard, "right"), AccessVerdict.LOCKED)
        self.assertEqual(guard.check(Auth.DIGEST, "", "POST", "/x"), AccessVerdict.MISSING)
        self.assertEqual(guard.refusals_while_locked, 1)
        self.clock.advance(60)
        self.assertEqual(self.digest(guard, "right"), AccessVerdict.GRANTED)

    def test_success_forgives(self) -> None:
        """A right login in between sets the count of failures in a row back."""
        guard = self.guard(lock_after=2)
        for password in ("wrong", "right", "wrong"):
            self.digest(guard, password)
        self.assertEqual((guard.failures, guard.locks), (2, 0))
