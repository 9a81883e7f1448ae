"""What must not get in, and what must not come out: hosts, other sites, tokens, sizes, paths, headers."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import FILES, WebSite, camera, parsed
from twisted_detector.model import Secret
from twisted_detector.web.access import AccessControl
from twisted_detector.web.rate_limit import MAX_PEERS, PeerRateLimiter, peer_key
from twisted_detector.web.server import MAX_BODY, MAX_DRAINED
from twisted_detector.web.sessions import LIFETIME, Sessions

API = "/api/v1"
TOKEN = "a-token-of-good-length"


class HostTests(SynchronousTestCase):
    def statuses(self, web: WebSite, *hosts: str) -> list[int]:
        return [web.ask("GET", "/", host=host).status for host in hosts]

    def test_loopback(self) -> None:
        """On loopback, only loopback names are us; a name that somebody's DNS points here is not."""
        web = WebSite()
        good = ("127.0.0.1", "127.0.0.1:8787", "localhost:1", "LOCALHOST", "[::1]:8787", "localhost.")
        self.assertEqual([200] * len(good), self.statuses(web, *good))
        bad = ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil", "[2001:db8::1]", "0x7f.1")
        self.assertEqual([421] * len(bad), self.statuses(web, *bad))
        self.assertIn("WEB_ALLOWED_HOSTS", web.ask("GET", "/", host="evil.example").json["detail"])

    def test_everywhere(self) -> None:
        """On all addresses, any address in numbers is us and allowed names are; other names are not."""
        web = WebSite(listen="0.0.0.0", token=TOKEN, names=("cameras.example.org",))
        self.assertEqual([200, 200, 421], self.statuses(web, "192.168.1.5:80", "Cameras.Example.org", "evil.example"))

    def test_one_address(self) -> None:
        """On one address, that address and loopback are us."""
        web = WebSite(listen="192.168.1.5", token=TOKEN)
        self.assertEqual([200, 421, 200], self.statuses(web, "192.168.1.5", "192.168.1.6", "localhost"))

    def test_no_host(self) -> None:
        """None, two or a mangled one is a bad request."""
        web = WebSite()
        self.assertEqual(400, web.raw(b"GET / HTTP/1.1\r\n\r\n").status)
        self.assertEqual(400, web.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n").status)
        for host in ("local host", "localhost:x", "a@localhost", "localhost/x", "\xff"):
            self.assertEqual(400, web.ask("GET", "/", host=host).status, host)


class OtherSitesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(camera())

    def test_the_page(self) -> None:
        """What the page sends is obeyed."""
        same = {"origin": "http://127.0.0.1:8787", "sec_fetch_site": "same-origin"}
        self.assertEqual(200, self.web.ask("POST", f"{API}/rescan", **same).status)

    def test_another_site(self) -> None:
        """What another site makes a browser send is refused, reading too, and nothing is done."""
        for headers in (
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://127.0.0.1:9999"},
            {"sec_fetch_site": "cross-site"},
            {"sec_fetch_site": "same-site"},
        ):
            self.assertEqual(403, self.web.ask("POST", f"{API}/rescan", **headers).status, headers)
            self.assertEqual(403, self.web.ask("GET", f"{API}/cameras", **headers).status, headers)
        self.assertEqual([], self.web.asked)

    def test_a_form(self) -> None:
        """Without our header, or with a form's type, nothing changes."""
        self.assertEqual(403, self.web.ask("POST", f"{API}/rescan", bare=True).status)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            self.assertIn(self.web.ask("POST", f"{API}/rescan", {}, content_type=kind).status, (400, 415))
        self.assertEqual([], self.web.asked)
        self.assertEqual(
            200, self.web.ask("POST", f"{API}/rescan", {}, content_type="application/json; charset=utf-8").status
        )

    def test_too_often(self) -> None:
        """Work can be asked for thirty times at once, then twice a second; another peer is not hindered."""
        statuses = [self.web.ask("POST", f"{API}/rescan").status for _ in range(31)]
        self.assertEqual([200] * 30 + [429], statuses)
        self.assertEqual("1", self.web.ask("POST", f"{API}/rescan").headers["retry-after"])
        self.assertEqual(200, self.web.ask("POST", f"{API}/rescan", peer="127.0.0.2").status)
        self.web.clock.advance(0.5)
        self.assertEqual(200, self.web.ask("POST", f"{API}/rescan").status)


class TokenTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(camera(), token=TOKEN, listen="0.0.0.0")

    def test_needed(self) -> None:
        """Nothing of the daemon is told without the token; the page itself and its question for it are."""
        for path in ("/cameras", "/status", "/mqtt", "/events", "/cameras/020000000001", "/why?address=1"):
            got = self.web.ask("GET", API + path)
            self.assertEqual((401, True), (got.status, "Bearer" in got.headers["www-authenticate"]), path)
        self.assertEqual(401, self.web.ask("POST", f"{API}/rescan").status)
        self.assertEqual(200, self.web.ask("GET", "/").status)
        session = self.web.ask("GET", f"{API}/session").json
        self.assertEqual({"needed": True, "given": False, "node_id": "", "version": ""}, session)

    def test_bearer(self) -> None:
        """A program gives it in a header, and needs no other."""
        got = self.web.ask("POST", f"{API}/rescan", bare=True, authorization=f"Bearer {TOKEN}")
        self.assertEqual(200, got.status)
        self.assertEqual(401, self.web.ask("GET", f"{API}/cameras", authorization="Bearer x").status)
        self.assertEqual(401, self.web.ask("GET", f"{API}/cameras", authorization=f"Basic {TOKEN}").status)

    def test_cookie(self) -> None:
        """A browser gives it once, and gets a cookie that no script reads, no site sends, and no restart ends."""
        got = self.web.ask("POST", f"{API}/session", {"token": TOKEN})
        self.assertEqual((200, True, "node1"), (got.status, got.json["given"], got.json["node_id"]))
        set_cookie = got.headers["set-cookie"]
        for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
            self.assertIn(word, set_cookie)
        self.assertNotIn("Secure", set_cookie)
        self.assertNotIn(TOKEN, got.raw.decode())
        cookie = set_cookie.partition(";")[0]
        again = WebSite(camera(), token=TOKEN)
        for web in (self.web, again):
            self.assertEqual(200, web.ask("GET", f"{API}/cameras", cookie=cookie).status)
        self.assertEqual(403, self.web.ask("POST", f"{API}/rescan", bare=True, cookie=cookie).status)
        self.assertEqual(401, WebSite(token="another-token-of-length").ask("GET", f"{API}/mqtt", cookie=cookie).status)
        tampered = cookie.replace("=", "=9")
        self.assertEqual(401, self.web.ask("GET", f"{API}/cameras", cookie=tampered).status)
        self.web.clock.advance(LIFETIME)
        self.assertEqual(401, self.web.ask("GET", f"{API}/cameras", cookie=cookie).status)

    def test_behind_tls(self) -> None:
        """Behind a proxy with TLS, the cookie goes over TLS only."""
        got = self.web.ask("POST", f"{API}/session", {"token": TOKEN}, x_forwarded_proto="https")
        self.assertIn("; Secure", got.headers["set-cookie"])

    def test_log_out(self) -> None:
        """A cookie that was taken back is worth nothing, even to whoever kept it."""
        cookie = self.web.ask("POST", f"{API}/session", {"token": TOKEN}).headers["set-cookie"].partition(";")[0]
        got = self.web.ask("DELETE", f"{API}/session", cookie=cookie)
        self.assertIn("Max-Age=0", got.headers["set-cookie"])
        self.assertEqual(401, self.web.ask("GET", f"{API}/cameras", cookie=cookie).status)

    def test_guessing(self) -> None:
        """After five wrong ones nobody gets in from there for a while, not with the right one either."""
        wrong = [self.web.ask("POST", f"{API}/session", {"token": "x"}).status for _ in range(6)]
        self.assertEqual([401] * 5 + [429], wrong)
        self.assertEqual(429, self.web.ask("GET", f"{API}/cameras", authorization=f"Bearer {TOKEN}").status)
        other = self.web.ask("GET", f"{API}/cameras", authorization=f"Bearer {TOKEN}", peer="10.0.0.7")
        self.assertEqual(200, other.status)
        self.web.clock.advance(13)
        self.assertEqual(200, self.web.ask("GET", f"{API}/cameras", authorization=f"Bearer {TOKEN}").status)

    def test_a_clock_that_is_set(self) -> None:
        """Who logged in before the board knew the time stays logged in when it does, for as long as anybody; a cookie
        with that end that is not known here (of an earlier run) is worth nothing then."""
        now = [40.0]
        sessions, others = (Sessions(Secret(TOKEN), lambda: now[0], bytes) for _ in range(2))
        cookie = sessions.issue()
        now[0] = 1.8e9
        self.assertEqual((True, False), (sessions.is_valid(cookie), others.is_valid(cookie)))
        now[0] += LIFETIME - 1
        self.assertTrue(sessions.is_valid(cookie))
        now[0] += 1
        self.assertFalse(sessions.is_valid(cookie))
        now[0] = 40.0
        cookie = sessions.issue()
        sessions.revoke(cookie)
        now[0] = 1.8e9
        self.assertFalse(sessions.is_valid(cookie))

    def test_odd_cookies(self) -> None:
        """No cookie, whatever is in it, is more than a wrong one."""
        sessions = Sessions(Secret(TOKEN), lambda: 0.0, bytes)
        for cookie in ("", ".", "..", "x", "1.2.3", "9" * 5000, "\udcff.\udcff.\udcff", "٣.a.b"):
            self.assertFalse(sessions.is_valid(cookie), ascii(cookie))


class LimitsTests(SynchronousTestCase):
    def test_peers(self) -> None:
        """An IPv6 host cannot escape into the rest of its /64, nor anybody by writing IPv4 as IPv6."""
        self.assertEqual(peer_key("2001:db8::1"), peer_key("2001:db8::ffff"))
        self.assertNotEqual(peer_key("2001:db8::1"), peer_key("2001:db8:0:1::1"))
        self.assertEqual("10.0.0.1", peer_key("::ffff:10.0.0.1"))

    def test_bounded(self) -> None:
        """However many peers ask, a bounded number is remembered."""
        limiter = PeerRateLimiter(lambda: 1.0, burst=2, rate=1)
        for number in range(MAX_PEERS + 50):
            limiter.acquire(f"10.0.{number >> 8}.{number & 255}")
        self.assertEqual(MAX_PEERS, len(limiter._levels))


class BytesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(camera())

    def test_large_bodies(self) -> None:
        """A body beyond the bound is refused, said before or in chunks; a huge one is not even read."""
        self.assertEqual(413, self.web.ask("POST", f"{API}/probe", b"x" * (MAX_BODY + 1)).status)
        head = b"POST /api/v1/probe HTTP/1.1\r\nHost: localhost\r\n"
        line = self.web.connect()
        line.protocol.dataReceived(head + b"Content-Length: %d\r\n\r\n" % (MAX_DRAINED + 1))
        self.assertEqual((413, True), (parsed(line.value()).status, line.disconnecting))
        line.protocol.dataReceived(b"x" * 4096)
        self.assertEqual(1, line.value().count(b"HTTP/1.1"))
        chunk = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)
        line = self.web.connect()
        line.protocol.dataReceived(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(18):
            line.protocol.dataReceived(chunk)
        self.assertEqual((413, True), (parsed(line.value()).status, line.disconnecting))

    def test_large_heads(self) -> None:
        """A long URL, a long header and many of them are refused by their statuses, and the connection ends."""
        for status, data in (
            (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n"),
            (431, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000 + b"\r\n\r\n"),
            (431, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 120 + b"\r\n"),
            (431, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + b"y" * 4000 + b"\r\n") * 5 + b"\r\n"),
        ):
            line = self.web.connect()
            line.protocol.dataReceived(data)
            self.assertEqual((status, True), (parsed(line.value()).status, line.disconnecting))

    def test_no_http(self) -> None:
        """Bytes of no protocol get a problem_response or nothing, never a fault."""
        for data in (b"\x16\x03\x01\x02\x00\x01", b"\r\n\r\n", b"GET\r\n\r\n", b"\x00" * 9000,
                     b"GET / HTTP/9.9\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"\xff\xfe / HTTP/1.1\r\nHost: localhost\r\n\r\n"):  # fmt: skip
            got = self.web.raw(data)
            self.assertTrue(got.status in (0, 200) or 400 <= got.status < 500, (data[:30], got.status))
        self.assertEqual([], self.flushLoggedErrors())

    def test_silence(self) -> None:
        """Who opens a connection and says nothing, or half of something, is hung up on."""
        line = self.web.connect()
        line.protocol.dataReceived(b"GET / HT")
        self.web.clock.advance(10)
        self.assertTrue(line.disconnecting)

    def test_paths(self) -> None:
        """No path leads out of the page's own files."""
        for path in ("/assets/../../../etc/passwd", "/assets/..%2f..%2fapi.py", "/assets/%2e%2e/api.py", "/assets/",
                     "/assets/.hidden", "/assets/main.js%00", "/assets/main.js/", "/../etc/passwd", "/index.html",
                     "/assets/C:%5Cx"):  # fmt: skip
            self.assertEqual(404, self.web.ask("GET", path).status, path)
        self.assertEqual(400, self.web.ask("GET", "/%ff").status)
        self.assertEqual([], self.flushLoggedErrors())

    def test_no_path(self) -> None:
        """What is no path at all is answered as a path that is not there: not by another program's words or name."""
        for line in (b"OPTIONS * HTTP/1.1", b"GET * HTTP/1.1", b"GET xassets/main.js HTTP/1.1"):
            got = self.web.raw(line + b"\r\nHost: 127.0.0.1:8787\r\n\r\n")
            self.assertEqual((404, "camdetect"), (got.status, got.headers["server"]), line)
            self.assertIn("date", got.headers)
        self.assertEqual(421, self.web.raw(b"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n").status)

    def test_status_line(self) -> None:
        """A status that Twisted has no word for has its own, not "Unknown Status"."""
        line = self.web.connect("127.0.0.1")
        line.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 421 Misdirected Request", line.value().partition(b"\r\n")[0])
        line.lost()

    def test_fault(self) -> None:
        """A fault of ours before any route is asked is a 500 without a word of it; the log has it."""

        def broken(*_: object) -> None:
            raise ValueError("a secret")

        self.patch(AccessControl, "check_host", broken)
        got = self.web.ask("GET", "/")
        self.assertEqual((500, "camdetect"), (got.status, got.headers["server"]))
        self.assertNotIn(b"secret", got.body)
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_headers(self) -> None:
        """Every answer, of whatever status, forbids what a browser could be talked into."""
        for path in ("/", "/assets/main.js", f"{API}/cameras", "/nowhere", f"{API}/cameras/x%20y"):
            headers = self.web.ask("GET", path).headers
            policy = headers["content-security-policy"]
            for word in ("default-src 'none'", "frame-ancestors 'none'", "script-src 'self'", "trusted-types"):
                self.assertIn(word, policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual("nosniff", headers["x-content-type-options"])
            self.assertEqual("no-referrer", headers["referrer-policy"])
            self.assertEqual("camdetect", headers["server"])
        self.assertEqual("no-store", self.web.ask("GET", f"{API}/cameras").headers["cache-control"])

    def test_assets(self) -> None:
        """A file comes with its type and a tag, and is not sent twice to who has it."""
        got = self.web.ask("GET", "/assets/main.js")
        self.assertEqual("text/javascript; charset=utf-8", got.headers["content-type"])
        self.assertEqual(304, self.web.ask("GET", "/assets/main.js", if_none_match=got.headers["etag"]).status)

    def test_nothing_from_elsewhere(self) -> None:
        """The page asks nobody but us, has no inline script or style, and makes no markup of text."""
        for name, file in FILES.items():
            if file.media == "image/png":
                continue
            text = file.data.decode()
            self.assertEqual(
                [], [url for url in re.findall(r"https?://[^\s\"'<>)]+", text) if "w3.org" not in url], name
            )
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
                self.assertNotIn(word, text, name)
            if name.endswith(".html"):
                self.assertNotRegex(text, r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=")
