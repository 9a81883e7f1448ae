"""What the log and `camdetect page` tell of the page: where it is, how to come in, how to open it to the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Interface
from twisted_detector.web.entry.login_codes import LoginCodes
from twisted_detector.web.entry.page_links import PageLinks

HERE = (
    Interface("lo", 1, "127.0.0.1", 8, loopback=True),
    Interface("docker0", 2, "172.17.0.1", 16),
    Interface("eth0", 3, "192.0.2.5", 24),
    Interface("eth0", 3, "fe80::1", 64),
    Interface("eth0", 3, "2001:db8::5", 64),
    Interface("wlan0", 4, "198.51.100.7", 24),
)


class PageLinksTests(SynchronousTestCase):
    def links(self, host: str, *, token: bool = True, here: tuple[Interface, ...] = HERE) -> PageLinks:
        async def interfaces() -> tuple[Interface, ...]:
            return here

        self.codes = LoginCodes(Clock().seconds, lambda count: b"\0" * count) if token else None
        file = Path("/state/web_token") if token else None
        return PageLinks((host, 8787), interfaces, codes=self.codes, token_file=file)

    def told(self, links: PageLinks) -> str:
        return str(self.successResultOf(Deferred.fromCoroutine(links.announcement())))

    def answer(self, links: PageLinks) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.successResultOf(Deferred.fromCoroutine(links.answer({})))
        return found

    def test_loopback(self) -> None:
        """On loopback the log tells the setting for the network, and how it goes without."""
        for host, url, setting, forward in (
            ("127.0.0.1", "http://127.0.0.1:8787/", "WEB_LISTEN=0.0.0.0:8787", "8787:127.0.0.1:8787"),
            ("::1", "http://[::1]:8787/", "WEB_LISTEN=[::]:8787", "8787:[::1]:8787"),
        ):
            links = self.links(host, token=False)
            told = self.told(links)
            self.assertTrue(told.startswith(f"The web page is at {url} "), told)
            for part in (setting, f"ssh -L {forward} ", "http://localhost:8787/"):
                self.assertIn(part, told)
            answer = self.answer(links)
            self.assertEqual(([url], "", ""), (answer["urls"], answer["link"], answer["token_file"]))
            self.assertIn(setting, answer["from_elsewhere"])

    def test_everywhere(self) -> None:
        """On all addresses, each of this machine's is a URL, those of containers last; the link signs in once."""
        links = self.links("0.0.0.0")
        urls = ["http://192.0.2.5:8787/", "http://198.51.100.7:8787/", "http://172.17.0.1:8787/"]
        told = self.told(links)
        self.assertIn(f"at {', '.join(urls)}. This link signs in once, within 30 minutes: {urls[0]}#login=aaaaa", told)
        answer = self.answer(links)
        self.assertEqual(
            (urls, "/state/web_token", ""), (answer["urls"], answer["token_file"], answer["from_elsewhere"])
        )
        self.assertTrue(self.codes is not None and self.codes.redeem(answer["link"].partition("#login=")[2]))

    def test_ipv6(self) -> None:
        """On all IPv6 addresses IPv4 is there too and comes first; link-local ones are no use in a browser."""
        answer = self.answer(self.links("::"))
        self.assertEqual("http://[2001:db8::5]:8787/", answer["urls"][-1])
        self.assertEqual(4, len(answer["urls"]))
        self.assertIn("and 1 more addresses", self.told(self.links("::")))

    def test_one_address(self) -> None:
        """On one address, that one."""
        self.assertEqual(["http://192.0.2.5:8787/"], self.answer(self.links("192.0.2.5"))["urls"])

    def test_behind_ingress(self) -> None:
        """An add-on's page is opened in Home Assistant: the log has no address to which no browser comes."""
        told = self.told(self.links("172.30.32.1"))
        self.assertIn("in Home Assistant", told)
        self.assertNotIn("http://", told)

    def test_no_network(self) -> None:
        """A machine without an address yet says so, and makes no link that leads nowhere."""
        told = self.told(self.links("0.0.0.0", here=HERE[:1]))
        self.assertIn("none yet", told)
        self.assertNotIn("#login", told)

    def test_no_page(self) -> None:
        """Where the port is taken, `camdetect page` has the reason and no link."""
        links = self.links("0.0.0.0")
        links.record_problem("the port is taken")
        answer = self.answer(links)
        self.assertEqual(("the port is taken", ""), (answer["problem"], answer["link"]))
