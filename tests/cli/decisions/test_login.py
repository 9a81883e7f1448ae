"""``camdetect login``: what it asks the daemon, what it says, and where it takes the password from."""

from __future__ import annotations

import builtins
import getpass
import io
import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking, cameras
from twisted_detector.cli.decisions import login
from twisted_detector.cli.decisions.grammar import KEEP_WORDS
from twisted_detector.cli.grammar import build_parser
from twisted_detector.model import Camera
from twisted_detector.operations.control_client import NotRunning
from twisted_detector.operations.logins.keeping import CHOICES
from twisted_detector.store.cameras import dump_camera

DOOR = Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door")
YARDS = tuple(Camera(f"00112233445{n}", f"00112233445{n}", f"10.0.0.1{n}", name="Yard") for n in range(2))
TRIED = {
    "outcome": "accepted", "text": "the camera accepts it; it is online", "left": 2, "of": 2, "kept": "camera"
}  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class LoginCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = TRIED
        for module in (asking, cameras):
            self.patch(module, "send_request", self.send)

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if request["command"] == "list":
            return {"cameras": [json.loads(dump_camera(one)) for one in (DOOR, *YARDS)]}
        self.asked.append(request)
        return self.answer

    def run_it(self, *words: str, stdin: io.StringIO | None = None) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        arguments = build_parser().parse_args(["login", *words])
        status = login.login(
            Path("/state"), arguments, stdin=io.StringIO() if stdin is None else stdin, out=out, err=err
        )
        return status, out.getvalue(), err.getvalue()


class TryTests(LoginCase):
    def request(self, **more: Any) -> dict[str, Any]:
        return {
            "command": "login", "action": "try", "camera_id": DOOR.id, "user": "viewer", "password": "canary-cli",
            "keep": "camera", **more,
        }  # fmt: skip

    def test_piped(self) -> None:
        """The first line of what is piped in is the password; the outcome is told, with what is left."""
        status, out, err = self.run_it("door", "viewer", stdin=io.StringIO("canary-cli\r\nmore\n"))
        self.assertEqual((0, ""), (status, err))
        self.assertEqual(
            f"{DOOR.id}: accepted: the camera accepts it; it is online\n"
            "kept for: camera; 2 of 2 failed attempts left in 30 minutes\n",
            out,
        )
        self.assertEqual([self.request()], self.asked)

    def test_typed(self) -> None:
        """At a terminal it is asked for without echo, and so is the user where he is not given."""
        prompts: list[str] = []
        self.patch(getpass, "getpass", lambda prompt: prompts.append(prompt) or "canary-cli")
        self.patch(builtins, "input", lambda prompt: prompts.append(prompt) or "viewer ")
        self.assertEqual(0, self.run_it("door", stdin=Terminal())[0])
        self.assertEqual((["User: ", "Password of viewer: "], [self.request()]), (prompts, self.asked))

    def test_file(self) -> None:
        """From a file its first line; a file that cannot be read is told by its name alone."""
        path = Path(self.mktemp())
        path.write_text("canary-cli\nnot this\n")
        self.run_it("door", "viewer", "--password-file", str(path), "--keep", "network")
        self.assertEqual([self.request(keep="network")], self.asked)
        path.write_bytes(b"\xff\xfe canary")
        for file, why in ((path, "not UTF-8 text"), (Path("/nowhere"), "No such file")):
            status, _, err = self.run_it("door", "viewer", "--password-file", str(file))
            self.assertEqual(1, status)
            self.assertIn(f"{file}: ", err)
            self.assertIn(why, err)
            self.assertNotIn("canary", err)

    def test_outcomes(self) -> None:
        """The exit status is 0 for what is accepted or not needed alone."""
        for outcome, status in (("not-needed", 0), ("refused", 1), ("unanswered", 1), ("not-tried", 1)):
            self.answer = {**TRIED, "outcome": outcome, "kept": "", "left": 1}
            found, out, _ = self.run_it("door", "viewer", stdin=io.StringIO("x\n"))
            self.assertEqual(status, found)
            self.assertIn("not kept; 1 of 2 failed attempts left", out)

    def test_save_and_clear(self) -> None:
        """Both are one request."""
        self.answer = {"text": "kept for: all", "kept": "all"}
        out = self.run_it("door", "viewer", "--save", "--keep", "all", stdin=io.StringIO("canary-cli"))[1]
        self.assertEqual((f"{DOOR.id}: kept for: all\n", [self.request(action="save", keep="all")]), (out, self.asked))
        self.assertEqual(0, self.run_it("door", "--clear")[0])
        self.assertEqual({"command": "login", "action": "clear", "camera_id": DOOR.id}, self.asked[-1])

    def test_no_user(self) -> None:
        """Nobody can be asked for one in a pipe."""
        self.assertEqual((1, "", "camdetect login: give the user name: camdetect login ID USER\n"), self.run_it("door"))

    def test_choices(self) -> None:
        """The grammar has those of the command."""
        self.assertEqual(CHOICES, KEEP_WORDS)


class RetryTests(LoginCase):
    def setUp(self) -> None:
        super().setUp()
        self.answer = {"address": "10.0.0.9", "logins": ["admin"], "waits": ""}

    def test_said(self) -> None:
        """The camera is named in any way; the answer says which logins, and whether they have to wait."""
        self.assertEqual((0, f"{DOOR.id}: trying again: admin\n", ""), self.run_it("retry", "door"))
        self.assertEqual([{"command": "login", "action": "retry", "camera_id": DOOR.id}], self.asked)
        self.answer = {"address": "10.0.0.9", "logins": [], "waits": "no login is tried before noon"}
        self.assertIn(
            "none of its logins was being withheld, but no login is tried before",
            self.run_it("retry", "door")[1],
        )

    def test_faults(self) -> None:
        """Nobody of that name, several, or no daemon: exit status 1, and what to do."""
        for word, told in (("garage", "no camera has that id"), ("yard", "several devices are meant by 'yard'")):
            status, _, err = self.run_it("retry", word)
            self.assertEqual(1, status)
            self.assertIn(told, err)
        self.answer = NotRunning("no daemon answers", shown="/state/control.sock")
        status, _, err = self.run_it("retry", "door")
        self.assertEqual(1, status)
        self.assertIn("only the running daemon can do that", err)
