"""Where the login and the adoption of a camera are from, as its form shows them."""

from __future__ import annotations

from typing import Any

from tests.config.case import read
from tests.detector.case import HERE, ID
from tests.facts import inspection, login
from tests.operations.deciding_case import DecidingCase
from twisted_detector.config.running import RunningConfig
from twisted_detector.model import Login
from twisted_detector.operations.decisions.commands import DescriptionCommands
from twisted_detector.operations.logins.origins import Origins
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.testing.doubles import Guarded

CONFIGURED = login("configured", "canary-c")


class OriginTests(DecidingCase):
    logins: tuple[Login, ...] = (CONFIGURED,)

    def setUp(self) -> None:
        super().setUp()
        self.configure({})

    def configure(self, environ: dict[str, str], **more: Any) -> None:
        networks = SiteNetworks(RunningConfig(read(environ, **more)), self.book)
        origins = Origins(self.registry, self.book, budget=self.budget, logins=self.configured, networks=networks)
        self.commands = DescriptionCommands(self.clock, self.registry, self.book, origins)

    def value(self, name: str) -> Any:
        answer = self.done(self.commands.decided({"camera_id": ID}))
        return answer["values"][name]

    def test_login(self) -> None:
        """None, one of the configuration that the camera accepts, and the camera's own before that; no password."""
        self.assertEqual({"value": None, "source": ""}, self.value("login"))
        self.inspector.answers[HERE] = Guarded(inspection(HERE), lambda one: True)
        self.ask("adopt", camera_id=ID)
        self.clock.pump([1] * 3)
        self.assertEqual({"value": {"user": "configured"}, "source": "environment"}, self.value("login"))
        self.configured.replace_configured([CONFIGURED], "file")
        self.assertEqual("file", self.value("login")["source"])
        self.ask("login", 0, camera_id=ID, action="save", user="own", password="canary-o")
        self.assertEqual({"value": {"user": "own"}, "source": "page"}, self.value("login"))
        self.assertNotIn("canary", str(self.done(self.commands.decided({"camera_id": ID}))))

    def test_typed_for_all(self) -> None:
        """One that was typed for many is the page's."""
        self.inspector.answers[HERE] = Guarded(inspection(HERE), lambda one: one.name == "all")
        self.ask("login", camera_id=ID, action="try", user="all", password="canary-a", keep="all")
        self.assertEqual({"value": {"user": "all"}, "source": "page"}, self.value("login"))

    def test_adoption(self) -> None:
        """Nobody's, a person's, and that of the setting which names the camera or its network."""
        self.assertEqual({"value": "no", "source": ""}, self.value("adopted"))
        self.ask("adopt", camera_id=ID)
        self.assertEqual({"value": "person", "source": "page"}, self.value("adopted"))
        self.ask("unadopt", camera_id=ID)
        self.assertEqual({"value": "no", "source": "page"}, self.value("adopted"))
        self.named = {HERE}
        self.registry.update_listed(self.clock.seconds())
        self.assertEqual({"value": "listed", "source": "page"}, self.value("adopted"))
        for environ, source in (
            ({"SCAN_NETWORKS": "10.0.0.0/24"}, "environment"),
            ({"CAMERA_CREDENTIALS": "[network 10.0.0.0/24],a:b"}, "environment"),
            ({"CAMERA_CREDENTIALS": f"[camera {ID}],a:b"}, "environment"),
        ):
            self.configure(environ)
            self.assertEqual(source, self.value("adopted")["source"], environ)
