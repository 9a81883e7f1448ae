"""Frames: which pages of other programs ours may show, and at which address a visitor's browser has them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import WebSite
from twisted_detector.web.application import HEADERS
from twisted_detector.web.frames import allow, for_visitor, origins

GO2RTC, FRIGATE = "http://127.0.0.1:1984", "https://nvr.example.org/frigate"
POLICY = HEADERS["Content-Security-Policy"]


def directives(policy: str) -> dict[str, str]:
    found = [part.strip().partition(" ") for part in policy.split(";")]
    assert len(found) == len({name for name, _, _ in found})
    return {name: value for name, _, value in found}


class Addresses(SynchronousTestCase):
    def test_this_machine(self) -> None:
        """What the setting calls 127.0.0.1 a browser elsewhere reaches by the name by which it reached us."""
        for url, host, wanted in (
            (f"{GO2RTC}/stream.html?src=a", "192.168.1.5:8787", "http://192.168.1.5:1984/stream.html?src=a"),
            ("http://localhost:1984/x", "pi.local", "http://pi.local:1984/x"),
            ("http://[::1]:1984/#a", "[fd00::5]:8787", "http://[fd00::5]:1984/#a"),
            ("http://127.0.0.1/rtc", "pi.local:8787", "http://pi.local/rtc"),
            (GO2RTC, "127.0.0.1:8787", GO2RTC),
            (GO2RTC, "localhost", GO2RTC),
            (GO2RTC, "", GO2RTC),
            (FRIGATE, "192.168.1.5:8787", FRIGATE),
            ("http://frigate:5000/#a", "192.168.1.5", "http://frigate:5000/#a"),
        ):
            self.assertEqual(wanted, for_visitor(url, host))

    def test_origins(self) -> None:
        """Each once, without path; what is no host is none."""
        pages = (GO2RTC, f"{GO2RTC}/rtc", FRIGATE, "http://a;script-src *")
        self.assertEqual([GO2RTC, "https://nvr.example.org"], origins(pages, "127.0.0.1"))


class Policy(SynchronousTestCase):
    def test_exactly(self) -> None:
        """The page may frame and call what is configured and nothing else; all else of the policy is as without."""
        with_pages = directives(allow(POLICY, (GO2RTC, FRIGATE), "192.168.1.5:8787"))
        found = "http://192.168.1.5:1984 https://nvr.example.org"
        self.assertEqual(found, with_pages.pop("frame-src"))
        self.assertEqual(f"'self' {found}", with_pages.pop("connect-src"))
        without = directives(POLICY)
        self.assertEqual("'self'", without.pop("connect-src"))
        self.assertEqual(without, with_pages)
        self.assertEqual("'none'", without["default-src"])

    def test_nothing_configured(self) -> None:
        """Nothing may be framed."""
        self.assertEqual(POLICY, allow(POLICY, (), "127.0.0.1"))
        self.assertEqual(POLICY, WebSite().ask("GET", "/").headers["content-security-policy"])

    def test_the_page_alone(self) -> None:
        """Only the page has it; and a browser that has the page from before the setting fetches it anew."""
        site = WebSite(pages=(GO2RTC,))
        got, before = site.ask("GET", "/"), WebSite().ask("GET", "/")
        self.assertEqual(GO2RTC, directives(got.headers["content-security-policy"])["frame-src"])
        self.assertEqual(200, site.ask("GET", "/", if_none_match=before.headers["etag"]).status)
        self.assertEqual(304, site.ask("GET", "/", if_none_match=got.headers["etag"]).status)
        for path in ("/assets/main.js", "/api/v1/cameras"):
            self.assertNotIn("frame-src", site.ask("GET", path).headers["content-security-policy"])
