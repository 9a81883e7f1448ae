"""Which login is for which device, and in which order."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import Files
from tests.facts import A, candidate, login
from twisted_detector.config.config import Config
from twisted_detector.config.kinds import ValueRefused
from twisted_detector.config.load import load
from twisted_detector.config.logins import LOGINS
from twisted_detector.errors import ConfigError
from twisted_detector.model import Candidate, Login
from twisted_detector.model.login_rules import (
    has_own_login,
    in_networks,
    logins_for,
    names_manufacturer,
    networks_with_logins,
    normalise_pattern,
)

LINES = [
    "any:1",
    "[network 10.0.0.0/8]", "wide:2",
    "[vendor Hikvision]", "hik:3", "hik2:4",
    "[camera 02:00:00:*]", "wild:5",
    "[network 10.0.0.0/24]", "narrow:6",
    "[camera 02000000000a]", "exact:7",
    "[default]", "any2:8",
]  # fmt: skip


def read(*lines: str) -> tuple[Login, ...]:
    assert LOGINS.read_many is not None
    return LOGINS.read_many(list(lines))


class OrderTests(SynchronousTestCase):
    def names(self, one: Candidate) -> list[str]:
        return [each.name for each in logins_for(read(*LINES), one)]

    def test_the_most_particular_first(self) -> None:
        """Camera before network before vendor before the rest; the exact pattern and the smaller network first."""
        device = candidate("10.0.0.5", A, vendors=("Hangzhou Hikvision Digital Technology Co.,Ltd.",))
        self.assertEqual(["exact", "wild", "narrow", "wide", "hik", "hik2", "any", "any2"], self.names(device))

    def test_only_what_fits(self) -> None:
        """A device of another manufacturer in another network gets the logins for all."""
        self.assertEqual(["any", "any2"], self.names(candidate("192.168.1.5", None, vendors=("Axis",))))
        self.assertEqual(["wide", "any", "any2"], self.names(candidate("10.1.0.5", None)))

    def test_plain_logins_come_out(self) -> None:
        """Whoever is given a login is given a name and a password, and each pair once."""
        [one] = logins_for(read("a:b", "[network 10.0.0.0/8]", "a:b"), candidate())
        self.assertEqual(login("a", "b"), one)
        self.assertIs(Login, type(one))

    def test_a_channel_means_its_recorder(self) -> None:
        """The id of a recorder's second channel names the recorder."""
        device = Candidate(device_id="epr-1234", address="10.0.0.5")
        for pattern in ("epr-1234", "epr-1234_2", "EPR-12*", "*"):
            self.assertTrue(has_own_login(read(f"[camera {pattern}]", "a:b"), device), pattern)
        for pattern in ("epr-123", "1234", "epr-12345"):
            self.assertFalse(has_own_login(read(f"[camera {pattern}]", "a:b"), device), pattern)

    def test_patterns_of_macs(self) -> None:
        """A MAC may be written with colons, dashes or none, in either case, and in part."""
        for text in ("02:00:00:00:00:0A", "02-00-00-00-00-0a", "02000000000A"):
            self.assertEqual(A.compact, normalise_pattern(text))
        self.assertEqual("020000*", normalise_pattern("02:00:00:*"))
        self.assertEqual("epr-ab_c", normalise_pattern("epr-ab_c"))

    def test_manufacturers(self) -> None:
        """A manufacturer is found in whole words, however registries and devices write them."""
        for vendor, text in (
            ("hikvision", "Hangzhou Hikvision Digital Technology Co.,Ltd."),
            ("TP-Link", "TP-LINK CORPORATION LIMITED"),
            ("tplink", "TP-Link Corporation Limited"),
            ("tp link", "TPLINK"),
            ("Axis Communications", "Axis Communications AB"),
        ):
            self.assertTrue(names_manufacturer(vendor, text), (vendor, text))
        for vendor, text in (("axis", "Maxis Ltd."), ("axis", "Axiscom"), ("", "Axis"), ("--", "Axis"), ("axis", "")):
            self.assertFalse(names_manufacturer(vendor, text), (vendor, text))

    def test_networks(self) -> None:
        """Networks that have logins are confirmed by that; link-local addresses with a scope are understood."""
        self.assertEqual((ip_network("10.0.0.0/8"), ip_network("10.0.0.0/24")), networks_with_logins(read(*LINES)))
        self.assertTrue(in_networks("fe80::1%eth0", [ip_network("fe80::/10")]))
        self.assertFalse(in_networks("10.0.0.1", [ip_network("fe80::/10")]))


class ReadingTests(SynchronousTestCase):
    def test_a_heading_is_no_login(self) -> None:
        """Lines before any heading are for all, as ever; the first colon ends the name."""
        self.assertEqual((login("admin", "a:[b]"), login("[x", "y")), read("admin:a:[b]", "[x:y"))

    def test_faults(self) -> None:
        """A heading that is not understood, or has nothing below it, is refused without being shown."""
        for lines, word in (
            (["[vendr hikvision]", "a:canary"], "not known"),
            (["[admin:canary]"], "not known"),
            (["[network 10.0.0.5/24]", "a:b"], "is 10.0.0.0/24 meant"),
            (["[network here]", "a:b"], "no network"),
            (["[vendor]", "a:b"], "maker"),
            (["[vendor !]", "a:b"], "maker"),
            (["[camera]", "a:b"], "MAC"),
            (["[camera a/b]", "a:b"], "MAC"),
            (["[default all]", "a:b"], "alone"),
            (["[default]"], "no login below"),
            (["[vendor axis]", "[default]", "a:b"], "no login below"),
            (["a:b", "[vendor axis]"], "entry 2"),
        ):
            with self.subTest(lines=lines):
                refusal = self.assertRaises(ValueRefused, read, *lines)
                self.assertIn(word, str(refusal))
                self.assertNotIn("canary", str(refusal))

    def config(self, environ: dict[str, str], **files: str) -> Config:
        """The configuration from an environment and from files ``/toml`` and ``/logins``."""
        if "toml" in files:
            environ["CAMDETECT_CONFIG"] = "/toml"
        return load(
            {"HOME": "/h", **environ},
            hostname="h",
            superuser=False,
            read_file=Files({f"/{name}": text for name, text in files.items()}),
        )

    def test_the_same_everywhere(self) -> None:
        """The environment, a list and a table of the TOML file, and a file of logins say the same in one way."""
        expected = read("a:1", "[vendor axis]", "b:2", "c:3", "[network 10.20.0.0/24]", "d:4")
        listed = '["a:1", "[vendor axis]", "b:2", "c:3", "[network 10.20.0.0/24]", "d:4"]'
        table = 'default = "a:1"\n"vendor axis" = ["b:2", "c:3"]\n"network 10.20.0.0/24" = ["d:4"]'
        text = "a:1,[vendor axis],b:2,c:3,[network 10.20.0.0/24],d:4"
        for config in (
            self.config({"CAMERA_CREDENTIALS": text}),
            self.config({}, toml=f"camera_credentials = {listed}"),
            self.config({}, toml=f"[camera_credentials]\n{table}"),
            self.config({"CAMERA_CREDENTIALS_FILE": "/logins"}, logins="# ours\n\n" + text.replace(",", "\n") + "\n"),
        ):
            self.assertEqual(expected, config.inspection.credentials)
            self.assertEqual((ip_network("10.20.0.0/24"),), config.confirmed_networks)
            self.assertEqual((), config.discovery.named_networks)

    def test_faults_of_a_table(self) -> None:
        """A table whose values are no logins is refused, masked."""
        for table in (
            "default = 1",
            "default = [1]",
            "[camera_credentials.deep]\na = 'canary:x'",
            '"vendor" = "a:canary"',
        ):
            error = self.assertRaises(ConfigError, self.config, {}, toml=f"[camera_credentials]\n{table}")
            self.assertIn("CAMERA_CREDENTIALS = ***", str(error))
            self.assertNotIn("canary", str(error))
