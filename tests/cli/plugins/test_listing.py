"""``camdetect plugins``: what a daemon would load, and what the running one says of it."""

from __future__ import annotations

import io
import json
from typing import Any

from tests.service.test_plugin_inventory import InventoryCase
from twisted_detector.cli.plugins import listing
from twisted_detector.cli.plugins.listing import list_plugins, running_plugins
from twisted_detector.errors import RemoteError
from twisted_detector.operations.control_client import NotRunning


class ListingCase(InventoryCase):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.write("camdetect_acme", name="acme")

    def list(self, answer: Any, *, use_json: bool = True) -> tuple[int, Any, str]:
        out, err = io.StringIO(), io.StringIO()
        status = list_plugins(self.config, answer, use_json=use_json, out=out, err=err)
        if not use_json:
            return status, out.getvalue(), err.getvalue()
        return status, {one["name"]: one for one in json.loads(out.getvalue())}, err.getvalue()

    def running(self, **more: Any) -> dict[str, Any]:
        """The answer of a daemon that has loaded all of it."""
        _, found, _ = self.list(None)
        found["acme"] |= more
        return {"plugins": list(found.values()), "problems": []}


class WithDaemon(ListingCase):
    def test_what_it_did(self) -> None:
        """The running daemon's counts, faults and stalls are shown."""
        stall = {"seconds": 1.4, "stack": "in acme.py, line 3"}
        answer = self.running(counts={"calls": 9, "sightings": 2}, faults=1, last_fault="ValueError", stalls=1)
        answer["plugins"][[one["name"] for one in answer["plugins"]].index("acme")]["last_stall"] = stall
        status, found, _ = self.list(answer)
        self.assertEqual((0, {"calls": 9, "sightings": 2}), (status, found["acme"]["counts"]))
        _, text, _ = self.list(answer, use_json=False)
        for words in ("9 calls, 2 sightings", "1 faults, the last one: ValueError", "in acme.py, line 3"):
            self.assertIn(words, " ".join(text.split()))
        self.assertNotIn("No daemon was asked", text)

    def test_disabled(self) -> None:
        """One that the daemon disabled is told with the reason, and is the status."""
        status, found, _ = self.list(self.running(state="disabled", why="it raised 10 errors"))
        self.assertEqual((1, "disabled", "it raised 10 errors"), (status, found["acme"]["state"], found["acme"]["why"]))

    def test_came_later(self) -> None:
        """One that was put there after the daemon's start is off until a restart: that is no fault."""
        answer = self.running()
        answer["plugins"] = [one for one in answer["plugins"] if one["name"] != "acme"]
        status, found, _ = self.list(answer)
        self.assertEqual((0, "off"), (status, found["acme"]["state"]))
        self.assertIn("restart it", found["acme"]["why"])

    def test_taken_away(self) -> None:
        """One that the daemon still has, though its file is gone, is listed."""
        answer = self.running()
        self.file.unlink()
        self.assertIn("acme", self.list(answer)[1])

    def test_problems(self) -> None:
        """What the daemon's settings name and nobody has is told once, beside what these settings name."""
        answer = {**self.running(), "problems": ["PLUGINS names nosuch, but no plugin has that name"]}
        status, _, said = self.list(answer)
        self.assertEqual((1, 1), (status, said.count("PLUGINS names nosuch")))


class Asking(ListingCase):
    def asked(self, answer: Any) -> tuple[Any, str]:
        def send(directory: object, request: dict[str, Any]) -> Any:
            self.assertEqual({"command": "plugins"}, request)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.patch(listing, "send_request", send)
        self.patch(listing, "located", lambda config: config)
        err = io.StringIO()
        return running_plugins(self.config, err), err.getvalue()

    def test_asked(self) -> None:
        """A running daemon is asked; without one, or with one that does not answer, what would be loaded is told."""
        self.assertEqual(({"plugins": []}, ""), self.asked({"plugins": []}))
        self.assertEqual((None, ""), self.asked(NotRunning("none")))
        answer, said = self.asked(RemoteError("no such request"))
        self.assertIsNone(answer)
        self.assertIn("the daemon is not asked: no such request", said)
        _, text, _ = self.list(None, use_json=False)
        self.assertIn("No daemon was asked: this is what one would load.", text)
