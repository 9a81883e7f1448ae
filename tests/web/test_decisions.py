"""The routes by which a person decides: each passes its command on with its fields, bounds what it takes, and keeps
quiet about passwords."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import CANARY, WebSite, camera
from twisted_detector.errors import NotSaved
from twisted_detector.web.api.decisions import DECISION_ROUTES, MAX_TEXT

API = "/api/v1"
ONE = {"camera_id": "020000000001"}
DECIDED = {**ONE, "version": 3, "values": {}}


class DecisionRoutes(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(camera(1))
        for route in DECISION_ROUTES:
            self.web.answer(route.handler, DECIDED)
        self.one = f"{API}/cameras/020000000001"

    def refused(self, status: int, method: str, path: str, body: object = None) -> str:
        got = self.web.ask(method, path, body)
        self.assertEqual(status, got.status, got.body)
        self.assertEqual("application/problem+json", got.headers["content-type"])
        return str(got.json["detail"])

    def test_commands(self) -> None:
        """Path and body are the fields of the command of that name, and what it answers is the answer."""
        login = {"action": "try", "user": "viewer", "password": "look", "keep": "network"}
        asked = (
            ("POST", f"{self.one}/name", {"name": "Barn", "area": "", "note": "a\nb", "network": "", "version": 3}),
            ("POST", f"{self.one}/stream", {"main": "rtsp://10.0.0.1/a", "sub": "", "version": 0}),
            ("POST", f"{self.one}/login", login),
            ("GET", f"{self.one}/decided", None),
            ("POST", f"{API}/add", {"target": "10.0.0.1-20"}),
            ("GET", f"{API}/add/j-7", None),
            ("GET", f"{API}/networks", None),
            ("POST", f"{API}/networks", {"action": "add", "network": "10.9.0.0/24"}),
            ("POST", f"{API}/reload", {}),
            ("POST", f"{API}/reload", {"restart": True}),
        )
        for method, path, body in asked:
            got = self.web.ask(method, path, body)
            self.assertEqual((200, DECIDED), (got.status, got.json), path)
        self.assertEqual(
            [
                ("name", {**ONE, **(asked[0][2] or {})}),
                ("stream", {**ONE, **(asked[1][2] or {})}),
                ("login", {**ONE, **login}),
                ("decided", ONE),
                ("add", {"target": "10.0.0.1-20"}),
                ("add", {"job": "j-7"}),
                ("networks", {}),
                ("networks", {"action": "add", "network": "10.9.0.0/24"}),
                ("reload", {}),
                ("reload", {"restart": True}),
            ],
            self.web.asked,
        )

    def test_no_such_camera(self) -> None:
        """Of a camera that is not known nothing is passed on, nor of what can be no job."""
        for name in ("name", "stream", "login"):
            body = {"action": "try"} if name == "login" else {}
            self.refused(404, "POST", f"{API}/cameras/020000000009/{name}", body)
        self.refused(404, "GET", f"{API}/cameras/020000000009/decided")
        self.refused(404, "GET", f"{API}/add/..%2Fx")
        self.assertEqual([], self.web.asked)

    def test_bodies(self) -> None:
        """A body of another shape is refused with the field's name first, and nothing is passed on."""
        long = "x" * (MAX_TEXT + 1)
        for path, body, told in (
            ("/cameras/020000000001/name", {"name": 5}, "name: must be text"),
            ("/cameras/020000000001/name", {"name": None}, "name: must be text"),
            ("/cameras/020000000001/name", {"note": long}, f"note: at most {MAX_TEXT} characters"),
            ("/cameras/020000000001/name", {"version": "3"}, "version: must be a whole number"),
            ("/cameras/020000000001/name", {"version": True}, "version: must be a whole number"),
            ("/cameras/020000000001/name", {"version": -1}, "version: must be a whole number"),
            ("/cameras/020000000001/name", {"area": "\\ud800"}, "area: must be valid Unicode"),
            ("/cameras/020000000001/name", {"login": "x"}, "unknown member 'login'"),
            ("/cameras/020000000001/stream", {"main": ["rtsp://x"]}, "main: must be text"),
            ("/cameras/020000000001/login", {"user": "a"}, "action: is missing"),
            ("/cameras/020000000001/login", {"action": "guess"}, "action: must be one of try, save, clear, retry"),
            ("/cameras/020000000001/login", {"action": "try", "keep": "me"}, "keep: must be one of camera, network"),
            ("/cameras/020000000001/login", {"action": "try", "password": 1}, "password: must be text"),
            ("/add", {}, "target: is missing"),
            ("/add", {"target": {"a": 1}}, "target: must be text"),
            ("/reload", {"restart": "true"}, "restart: must be true or false"),
            ("/networks", {"action": "add"}, "network: is missing"),
            ("/networks", {"action": "all", "network": "10.0.0.0/8"}, "action: must be one of add, remove"),
        ):
            data = json.dumps(body).encode().replace(b"\\\\ud800", b"\\ud800")
            got = self.web.ask("POST", API + path, data)
            self.assertEqual((400, "application/problem+json"), (got.status, got.headers["content-type"]), got.body)
            self.assertIn(told, got.json["detail"])
        self.refused(413, "POST", f"{self.one}/name", {"name": "x" * 20_000})
        self.assertEqual([], self.web.asked)

    def test_a_refusal(self) -> None:
        """What the command refuses comes as it told it, the field first: a form finds its place by that."""
        self.web.refuse("name", "name: at most 64 characters; this has 500")
        self.assertEqual(
            "name: at most 64 characters; this has 500", self.refused(400, "POST", f"{self.one}/name", {"name": "x"})
        )
        self.web.refuse("stream", "version: it was changed meanwhile by somebody else; look at it again")
        told = self.refused(400, "POST", f"{self.one}/stream", {"main": "", "version": 1})
        self.assertTrue(told.startswith("version: it was changed meanwhile"))

    def test_a_full_disk(self) -> None:
        """Where the disk takes no writes the answer is a 503 with the reason, and says that nothing was saved."""
        self.web.answer("name", NotSaved("overrides: No space left on device"))
        got = self.web.ask("POST", f"{self.one}/name", {"name": "Barn"})
        self.assertEqual((503, "30"), (got.status, got.headers["retry-after"]))
        self.assertEqual("it was not saved: overrides: No space left on device", got.json["detail"])

    def test_passwords(self) -> None:
        """A password in a body is in no answer and no log, whatever is wrong with the body or goes wrong behind it."""
        good = {"action": "try", "user": "viewer", "password": CANARY}
        url = {"main": f"rtsp://viewer:{CANARY}@10.0.0.1/a"}
        faults = [ZeroDivisionError("a fault"), NotSaved("no space left")]
        for fault in (None, *faults):
            for name in ("login", "stream", "add"):
                self.web.answer(name, fault or {})
            for path, body in (
                (f"{self.one}/login", good),
                (f"{self.one}/login", {**good, "password": CANARY * 2000}),
                (f"{self.one}/login", {**good, "action": CANARY}),
                (f"{self.one}/login", {**good, "keep": CANARY}),
                (f"{self.one}/login", {**good, "password": [CANARY]}),
                (f"{API}/cameras/020000000009/login", good),
                (f"{self.one}/stream", url),
                (f"{self.one}/stream", {**url, "version": CANARY}),
                (f"{API}/add", {"target": url["main"]}),
                (f"{self.one}/login", json.dumps(good).encode()[:-1]),
            ):
                got = self.web.ask("POST", path, body)
                self.assertNotIn(CANARY.encode(), got.raw, path)
                self.web.clock.advance(10)
        logged = self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(3, len(logged))
        for failure in logged:
            self.assertNotIn(CANARY, failure.getTraceback())
            self.assertNotIn(CANARY, failure.getBriefTraceback())

    def test_described(self) -> None:
        """The OpenAPI document has them, with their bodies and their bounds."""
        paths = self.web.ask("GET", f"{API}/openapi.json").json["paths"]
        body = paths[f"{API}/cameras/{{camera_id}}/login"]["post"]["requestBody"]["content"]["application/json"]
        self.assertEqual(["try", "save", "clear", "retry"], body["schema"]["properties"]["action"]["enum"])
        self.assertEqual(["action"], body["schema"]["required"])
        self.assertIn("503", paths[f"{API}/cameras/{{camera_id}}/name"]["post"]["responses"])
        names = [one["operationId"] for path in paths.values() for one in path.values()]
        self.assertEqual(len(names), len(set(names)))

    def test_limited(self) -> None:
        """Commands that cost work are limited in rate like all others; looking at a running job is not."""
        for _ in range(30):
            self.web.ask("POST", f"{API}/reload", {})
        self.refused(429, "POST", f"{self.one}/login", {"action": "try"})
        self.assertEqual(200, self.web.ask("GET", f"{API}/add/j1").status)
