"""What a device says of itself, and what its owner is told."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model.announced import EXPLAINING, STREAMLESS, Announced, Condition, DeviceKind, explain

#: Word for word, as people read it; the words for programs never change.
WORDS = {
    "not-activated": (
        "it was never activated, and its streams are shut until it is",
        "set its password with its manufacturer's tool or on its web page, then enter that login here",
    ),
    "no-password-set": (
        "no password is set: it lets anybody in",
        "set one on its web page, then enter that login here",
    ),
    "default-state": (
        "it is as it left the factory",
        "set it up with its manufacturer's app or tool, and switch ONVIF or RTSP on there",
    ),
    "cloud-only": (
        "it speaks its manufacturer's relay protocol (PPPP) only, and has no stream on the network",
        "watch it in its app, and look there for a switch for RTSP or ONVIF",
    ),
    "managed-by": (
        "a console manages it, and has its streams",
        "switch RTSP on for this camera there, and add the address that it shows (UniFi: rtsps://console:7441/…)",
    ),
    "sleeps": (
        "it has a battery and sleeps: it is on the network now and then, and is not asked meanwhile",
        "nothing has to be done; while it sleeps, its manufacturer's app or its base station has its pictures",
    ),
    "matter": (
        "it is a Matter camera: these stream to their controller only, and have no address that a recorder can play",
        "look in its app for a switch for RTSP or ONVIF",
    ),
    "homekit-only": (
        "it speaks HomeKit only, and has no stream that a recorder can play",
        "pair it with a program that turns HomeKit into RTSP, such as go2rtc, and add the stream that this one has",
    ),
}


class AnnouncedTests(SynchronousTestCase):
    def test_words(self) -> None:
        """Each condition says what is so, and what its owner can do."""
        self.assertEqual(WORDS, {one.value: explain(one) for one in Condition})

    def test_console(self) -> None:
        """The console is named where it is known; what a device calls it is text, whatever stands in it."""
        for name in ("Dream Machine", "{x} {0} %s", "a {console}"):
            self.assertTrue(explain(Condition.MANAGED, Announced(managed_by=name))[0].startswith(f"{name} manages it"))

    def test_which_explain(self) -> None:
        """Every condition but a remark and the sleep explains why there is no stream, the certain ones first."""
        self.assertEqual(set(Condition) - {Condition.OPEN, Condition.SLEEPS}, set(EXPLAINING))
        self.assertEqual(EXPLAINING[-3:], tuple(sorted(STREAMLESS, key=EXPLAINING.index)))

    def test_kind(self) -> None:
        """Whatever does not say that it is something else may be a camera."""
        others = [kind for kind in DeviceKind if not Announced(kind=kind).may_be_camera]
        self.assertEqual([DeviceKind.OTHER], others)
