"""``camdetect page``: where the page is, a link that signs in, the token's file, and how to open it to the network."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking, page
from twisted_detector.cli.grammar import build_parser
from twisted_detector.errors import RemoteError
from twisted_detector.operations.control_client import NotRunning

OPEN = {
    "ok": True, "problem": "", "urls": ["http://192.0.2.5:8787/", "http://198.51.100.7:8787/"],
    "link": "http://192.0.2.5:8787/#login=abcde-fghjk", "link_minutes": 30, "token_file": "/state/web_token",
    "from_elsewhere": "",
}  # fmt: skip
CLOSED = {
    "ok": True, "problem": "", "urls": ["http://127.0.0.1:8787/"], "link": "", "link_minutes": 0, "token_file": "",
    "from_elsewhere": "From a laptop: set WEB_LISTEN=0.0.0.0:8787, or run ssh",
}  # fmt: skip


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = OPEN
        self.patch(asking, "send_request", self.send)

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def show(self, *, use_json: bool = False) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        status = page.show_page("/state", use_json=use_json, out=out, err=err)  # type: ignore[arg-type]
        return status, out.getvalue(), err.getvalue()

    def test_on_the_network(self) -> None:
        """Every address, the link, and the file of the token; the token itself is not shown."""
        status, out, _ = self.show()
        self.assertEqual((0, [{"command": "page"}]), (status, self.asked))
        lines = [line.strip() for line in out.splitlines()]
        for wanted in (*OPEN["urls"], OPEN["link"], "The token is in /state/web_token."):  # type: ignore[misc]
            self.assertIn(wanted, lines)
        self.answer = {**OPEN, "token_file": ""}
        self.assertIn("The token is the setting WEB_TOKEN.", self.show()[1])

    def test_on_loopback(self) -> None:
        """What to set, or to run, to open it from another machine; nothing of a token."""
        self.answer = CLOSED
        _, out, _ = self.show()
        self.assertIn("http://127.0.0.1:8787/", out)
        self.assertIn("WEB_LISTEN=0.0.0.0:8787", out)
        self.assertNotIn("oken", out)

    def test_json(self) -> None:
        """For programs."""
        told = json.loads(self.show(use_json=True)[1])
        self.assertEqual((OPEN["link"], False), (told["link"], "ok" in told))

    def test_faults(self) -> None:
        """No page, no daemon, a port that is taken: status 1 and the reason."""
        for answer, why in (
            (RemoteError("there is no web page: WEB_ENABLED is false"), "WEB_ENABLED"),
            (NotRunning("no daemon answers"), "only the running daemon"),
            ({**OPEN, "problem": "There is no web page: cannot listen"}, "cannot listen"),
        ):
            self.answer = answer
            status, out, err = self.show()
            self.assertEqual((1, "", True), (status, out, why in err), err)

    def test_grammar(self) -> None:
        """It is a subcommand."""
        self.assertTrue(build_parser().parse_args(["page", "--json"]).json)
