"""The routes of the first run and of the settings: each passes its command on, and bounds what it takes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import CANARY, WebSite, camera
from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.web.api.first_run import FIRST_RUN_ROUTES, MAX_CAMERAS

API = "/api/v1"
TOLD = {"anything": True}


class FirstRunRoutes(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite(camera(1))
        for route in FIRST_RUN_ROUTES:
            self.web.answer(route.handler, TOLD)

    def test_commands(self) -> None:
        """The body is the fields of the command of that name, and what it answers is the answer."""
        settings = {"MQTT_BROKER": "b", "MQTT_PASSWORD": "p", "MQTT_TLS": ""}
        asked = (
            ("POST", "/adopt", {"camera_ids": ["020000000001", "a-b_c"]}, "adopt"),
            ("GET", "/first-run", None, "first-run"),
            ("POST", "/first-run", {"action": "skip"}, "first-run"),
            ("GET", "/settings", None, "settings"),
            ("POST", "/settings", settings, "settings"),
            ("POST", "/broker/test", settings, "broker-test"),
            ("POST", "/consumers", {}, "consumers"),
        )
        for method, path, body, _ in asked:
            got = self.web.ask(method, API + path, body)
            self.assertEqual((200, TOLD), (got.status, got.json), path)
        self.assertEqual([(name, body or {}) for _, _, body, name in asked], self.web.asked)

    def test_bodies(self) -> None:
        """A body of another shape is refused with the field's name first, and nothing is passed on."""
        for path, body, told in (
            ("/adopt", {}, "camera_ids: is missing"),
            ("/adopt", {"camera_ids": "a"}, f"camera_ids: must be a list of at most {MAX_CAMERAS}"),
            ("/adopt", {"camera_ids": ["a"] * (MAX_CAMERAS + 1)}, "camera_ids: must be a list"),
            ("/adopt", {"camera_ids": [5]}, "camera_ids: must be text"),
            ("/adopt", {"camera_ids": ["<b>"]}, "camera_ids: has characters"),
            ("/adopt", {"camera_ids": [["a"]]}, "camera_ids: must be text"),
            ("/first-run", {"action": "again"}, "action: must be one of finish, skip"),
            ("/settings", {"WEB_TOKEN": CANARY}, "the body has an unknown member"),
            ("/settings", {"MQTT_BROKER": "x" * 2000}, "MQTT_BROKER: at most 1024 characters"),
            ("/settings", {"MQTT_PASSWORD": {"a": CANARY}}, "MQTT_PASSWORD: must be text"),
            ("/broker/test", {"MQTT_TLS": True}, "MQTT_TLS: must be text"),
            ("/consumers", {"host": "10.0.0.1"}, "the body has an unknown member"),
        ):
            got = self.web.ask("POST", API + path, body)
            self.assertEqual(400, got.status, path)
            self.assertTrue(got.json["detail"].startswith(told), got.json)
            self.assertNotIn(CANARY, got.body.decode())
        self.assertEqual([], self.web.asked)

    def test_refusals(self) -> None:
        """What the command refuses, and a disk that takes nothing, are told as they are."""
        for error, status in ((RemoteError("MQTT_PORT: must be a port"), 400), (NotSaved("the disk is full"), 503)):
            self.web.answer("settings", error)
            got = self.web.ask("POST", f"{API}/settings", {"MQTT_PORT": "0"})
            self.assertEqual(status, got.status)
            self.assertIn(str(error), got.json["detail"])

    def test_other_sites(self) -> None:
        """None of it can be done by another site's form or script."""
        for route in FIRST_RUN_ROUTES:
            if route.changes:
                self.assertEqual(403, self.web.ask(route.method, API + route.path, {}, bare=True).status)
