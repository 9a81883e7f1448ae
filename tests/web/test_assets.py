"""The page's files: compressed for who takes it, each form with its tag; icons; what all of it weighs."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import FILES, WebSite, camera
from twisted_detector.web.assets import FOLDER
from twisted_detector.web.compression import LEAST, accepts_gzip

ROOT = Path(__file__).resolve().parents[2]
#: What the page may weigh on the wire, all of its code (issue: at most 60 kB compressed).
MOST_ON_THE_WIRE = 60_000


class CompressionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(*(camera(number) for number in range(1, 9)))

    def test_file(self) -> None:
        """Who takes gzip gets it, who does not gets the file; a cache is told that they differ."""
        plain = self.web.ask("GET", "/assets/main.js")
        packed = self.web.ask("GET", "/assets/main.js", accept_encoding="gzip, deflate, br")
        self.assertNotIn("content-encoding", plain.headers)
        self.assertEqual("gzip", packed.headers["content-encoding"])
        self.assertEqual(plain.body, gzip.decompress(packed.body))
        self.assertLess(len(packed.body), len(plain.body) / 2)
        for got in (plain, packed):
            self.assertEqual("Accept-Encoding", got.headers["vary"])
            self.assertEqual(str(len(got.body)), got.headers["content-length"])
        self.assertNotEqual(plain.headers["etag"], packed.headers["etag"])

    def test_tags(self) -> None:
        """Each form has its own tag: who has the one is not told that it has the other."""
        for accepted in ("", "gzip"):
            tag = self.web.ask("GET", "/", accept_encoding=accepted).headers["etag"]
            for told in (tag, f"W/{tag}", f'"other", {tag}', "*"):
                again = self.web.ask("GET", "/", accept_encoding=accepted, if_none_match=told)
                self.assertEqual((304, b"", "Accept-Encoding"), (again.status, again.body, again.headers["vary"]), told)
                self.assertNotIn("content-encoding", again.headers)
            other = self.web.ask("GET", "/", accept_encoding="" if accepted else "gzip", if_none_match=tag)
            self.assertEqual(200, other.status)

    def test_held_compressed(self) -> None:
        """Of a file that compresses no other form is held, and it is not compressed for each answer."""
        file = FILES["why.js"]
        self.assertEqual((FOLDER / "why.js").read_bytes(), file.data)
        self.assertIs(file.gzipped, file.gzipped)
        held = [value for value in vars(file).values() if isinstance(value, bytes)]
        self.assertLess(sum(map(len, held)), len(file.data) / 2)

    def test_pictures(self) -> None:
        """What is compressed in itself is left as it is."""
        got = self.web.ask("GET", "/assets/icon-192.png", accept_encoding="gzip")
        self.assertEqual("image/png", got.headers["content-type"])
        self.assertNotIn("content-encoding", got.headers)
        self.assertNotIn("vary", got.headers)

    def test_accepted(self) -> None:
        """RFC 9110, 12.5.3: a quality of 0 is a refusal, ``*`` is what is not named."""
        for header in ("gzip", "GZIP", "br;q=1.0, gzip;q=0.8", "*", "gzip ; q=0.001", "x-gzip", "identity, gzip"):
            self.assertTrue(accepts_gzip(header), header)
        for header in ("", "identity", "br", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=x", "gzipped"):
            self.assertFalse(accepts_gzip(header), header)

    def test_answers(self) -> None:
        """A long answer is compressed over a network, a short one is not, nor one to this machine."""
        far = {"peer": "10.0.0.7", "accept_encoding": "gzip"}
        packed = self.web.ask("GET", "/api/v1/cameras", **far)
        plain = self.web.ask("GET", "/api/v1/cameras", peer="10.0.0.7")
        self.assertGreater(len(plain.body), LEAST)
        self.assertEqual("gzip", packed.headers["content-encoding"])
        self.assertEqual(plain.body, gzip.decompress(packed.body))
        for got in (plain, packed):
            self.assertEqual("Accept-Encoding", got.headers["vary"])
            self.assertEqual(str(len(got.body)), got.headers["content-length"])
        self.assertNotIn("content-encoding", self.web.ask("GET", "/api/v1/session", **far).headers)
        self.assertNotIn("content-encoding", self.web.ask("GET", "/api/v1/cameras", accept_encoding="gzip").headers)

    def test_events(self) -> None:
        """The stream of events is not compressed: what is to be told now would wait for more."""
        line = self.web.stream(accept_encoding="gzip")
        head = line.value().partition(b"\r\n\r\n")[0].lower()
        self.assertIn(b"200", head)
        self.assertNotIn(b"content-encoding", head)


class WeightTests(SynchronousTestCase):
    """What a browser fetches before it shows the cameras. Views that are rarely opened come when they are."""

    def setUp(self) -> None:
        self.page = FILES["index.html"].data.decode()
        self.needed = {"main.js"}
        while found := {other for name in self.needed for other in imports(name)} - self.needed:
            self.needed |= found

    def test_on_the_wire(self) -> None:
        """The page's code, compressed, is light enough for a slow line."""
        linked = re.findall(r'(?:href|src)="assets/([^"]+\.(?:js|css))"', self.page)
        code = {name: len(FILES[name].gzipped) for name in {"index.html", *linked, *self.needed}}
        self.assertIn("style.css", code)
        self.assertLessEqual(sum(code.values()), MOST_ON_THE_WIRE, code)

    def test_preloads(self) -> None:
        """Each module that the page begins with is on its way before another one asks for it, and no other is."""
        preloaded = set(re.findall(r'<link rel="modulepreload" href="assets/([^"]+)">', self.page))
        self.assertEqual(self.needed - {"main.js"}, preloaded, "modulepreload in index.html")


def imports(name: str) -> set[str]:
    """The modules that one imports at its beginning."""
    return set(re.findall(r'^import [^;]* from "\./([^"]+)";$', FILES[name].data.decode(), re.MULTILINE))


class IconTests(SynchronousTestCase):
    def test_manifest(self) -> None:
        """The page can be put on a phone's screen, under any path: the manifest's icons are there, of their sizes."""
        web = WebSite()
        got = web.ask("GET", "/assets/manifest.webmanifest")
        self.assertEqual("application/manifest+json", got.headers["content-type"])
        manifest = json.loads(got.body)
        self.assertEqual(("../", "../"), (manifest["start_url"], manifest["scope"]))
        sizes = set()
        for icon in manifest["icons"]:
            file = FILES[icon["src"]]
            self.assertEqual(icon["type"], file.media)
            if icon["type"] == "image/png":
                self.assertEqual(icon["sizes"], "{}x{}".format(*size(file.data)))
                sizes.add(icon["sizes"])
        self.assertLessEqual({"192x192", "512x512"}, sizes)
        page = FILES["index.html"].data.decode()
        for wanted in ('rel="manifest"', 'rel="apple-touch-icon" href="assets/icon-180.png"', 'name="theme-color"'):
            self.assertIn(wanted, page)
        self.assertIn("manifest-src 'self'", web.ask("GET", "/").headers["content-security-policy"])

    def test_drawn(self) -> None:
        """The icons are what their drawer draws (`make icons`)."""
        icons = drawer()
        for each in icons.SIZES:
            data = (FOLDER / f"icon-{each}.png").read_bytes()
            self.assertEqual((each, each), size(data))
            if each < 500:
                self.assertEqual(b"".join(b"\0" + row for row in icons.pixels(each)), pixels(data), each)


def drawer() -> Any:
    spec = importlib.util.spec_from_file_location("icons", ROOT / "packaging" / "icons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def size(png: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def pixels(png: bytes) -> bytes:
    at = png.index(b"IDAT")
    return zlib.decompress(png[at + 4 : at + 4 + int.from_bytes(png[at - 4 : at])])
