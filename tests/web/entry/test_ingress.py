"""Home Assistant's ingress: who comes through the Supervisor's proxy is signed in there; nobody else passes for it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import Got, WebSite, camera
from twisted_detector.web.entry.ingress import PROXY

TOKEN = "a-token-of-good-length"
PATH = "/api/hassio_ingress/Zm9v-YmFy_1"
BROWSER = {
    "host": "homeassistant.local:8123", "x_ingress_path": PATH, "x_forwarded_host": "homeassistant.local:8123",
    "x_forwarded_proto": "http", "sec_fetch_site": "same-origin",
}  # fmt: skip


class IngressTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(camera(), token=TOKEN, listen="0.0.0.0", ingress=True)

    def ask(self, method: str, path: str, *, peer: str = PROXY, **headers: str) -> Got:
        return self.web.ask(method, path, peer=peer, **{**BROWSER, **headers})

    def test_let_in(self) -> None:
        """Without a token, under Home Assistant's name, to read and to change; there is nothing to sign out of."""
        self.assertEqual(200, self.ask("GET", "/").status)
        self.assertEqual(200, self.ask("GET", "/api/v1/cameras").status)
        self.assertEqual(200, self.ask("POST", "/api/v1/rescan", origin="http://homeassistant.local:8123").status)
        session = self.ask("GET", "/api/v1/session").json
        self.assertEqual((False, True, "node1"), (session["needed"], session["given"], session["node_id"]))

    def test_behind_another_proxy(self) -> None:
        """Where a proxy before Home Assistant changed the Host, the name that the browser used is in another header."""
        headers = {"host": "10.0.0.2:8123", "x_forwarded_host": "ha.example.org", "origin": "https://ha.example.org"}
        self.assertEqual(200, self.ask("POST", "/api/v1/rescan", **headers).status)

    def test_framed(self) -> None:
        """Home Assistant's own page, and no other, may show it in a frame; whoever comes directly gets no frame."""
        headers = self.ask("GET", "/").headers
        self.assertIn("frame-ancestors 'self'", headers["content-security-policy"])
        self.assertEqual("SAMEORIGIN", headers["x-frame-options"])
        for word in ("default-src 'none'", "script-src 'self'", "trusted-types"):
            self.assertIn(word, headers["content-security-policy"])
        direct = self.web.ask("GET", "/", peer="192.0.2.7", host="192.0.2.5").headers
        self.assertIn("frame-ancestors 'none'", direct["content-security-policy"])
        self.assertEqual("DENY", direct["x-frame-options"])

    def test_others(self) -> None:
        """From another address, without the path, or with one that is none: the token is needed, and a name of ours."""
        for peer, headers in (
            ("172.30.32.3", {}),
            ("192.0.2.7", {}),
            ("127.0.0.1", {}),
            (PROXY, {"x_ingress_path": ""}),
            (PROXY, {"x_ingress_path": "http://evil.example/"}),
        ):
            got = self.ask("GET", "/api/v1/cameras", peer=peer, **headers)
            self.assertEqual(421, got.status, (peer, headers))
            got = self.ask("GET", "/api/v1/cameras", peer=peer, **{"host": "192.0.2.5", **headers})
            self.assertEqual(401, got.status, (peer, headers))

    def test_off(self) -> None:
        """Unless it is switched on, that address is one like any other."""
        self.web = WebSite(camera(), token=TOKEN, listen="0.0.0.0")
        self.assertEqual(401, self.ask("GET", "/api/v1/cameras", host="192.0.2.5").status)

    def test_other_sites(self) -> None:
        """Through the proxy too, no other site makes the browser ask."""
        self.assertEqual(403, self.ask("POST", "/api/v1/rescan", origin="http://evil.example").status)
        self.assertEqual(403, self.ask("GET", "/api/v1/cameras", sec_fetch_site="cross-site").status)
        for named in (BROWSER["x_forwarded_host"], ""):
            got = self.ask("POST", "/api/v1/rescan", origin="null", x_forwarded_host=named, sec_fetch_site="")
            self.assertEqual(403, got.status, named)

    def test_host_that_is_none(self) -> None:
        """Whatever Host comes through the proxy, the page is whole, and nothing of that Host is in its policy."""
        self.web = WebSite(
            camera(), token=TOKEN, listen="0.0.0.0", ingress=True, pages=("http://127.0.0.1:1984/stream.html",)
        )
        own = "http://127.0.0.1:1984"
        for host in ("[::1x]", "[::1", "[vend]:1", "a; script-src *", "a b", "a]b", "[v1.a]", "[[::1]", "[::%f#1]"):
            got = self.ask("GET", "/", host=host)
            self.assertEqual(200, got.status, host)
            self.assertNotIn("*", got.headers["content-security-policy"], host)
            self.assertIn(f"frame-src {own}", got.headers["content-security-policy"], host)
