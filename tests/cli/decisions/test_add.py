"""``camdetect add``: what is asked of the daemon, what is written, and the exit status."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking
from twisted_detector.cli.decisions import add as module
from twisted_detector.cli.main import main
from twisted_detector.errors import RemoteError
from twisted_detector.operations.control_client import NotRunning

HERE = "10.0.0.5"
STEP = {"address": HERE, "step": "reach", "state": "doing", "text": "looking", "reason": "", "help": []}
HELPS = [
    {"kind": "give-login", "text": "Enter a login", "camera_id": "x", "address": HERE},
    {"kind": "use-port", "text": "Use port 554", "target": f"rtsp://{HERE}:554/a"},
    {"kind": "add-network", "text": "Search 10.0.0.0/24", "network": "10.0.0.0/24"},
    {"kind": "adopt", "text": "Adopt it", "camera_id": "x"},
]


def state(*steps: dict[str, Any], done: bool = False, ids: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"ok": True, "job": "j", "target": HERE, "done": done, "steps": list(steps), "camera_ids": list(ids)}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class AddTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[Any] = []
        self.patch(asking, "send_request", self.send)
        self.patch(module, "INTERVAL", 0.0)
        self.out, self.err = io.StringIO(), io.StringIO()

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def add(self, target: str = HERE, *, use_json: bool = False) -> int:
        return module.add(Path("/state"), target, use_json=use_json, out=self.out, err=self.err)

    def test_lines(self) -> None:
        """In a pipe each step is one line when it has ended, once, with the reason and the commands that help."""
        ended = {**STEP, "state": "ok", "text": "it answers"}
        failed = {
            **STEP,
            "step": "play",
            "state": "failed",
            "text": "x needs a login",
            "reason": "no",
            "help": HELPS,
        }
        self.answers = [state(STEP), state(ended), state(ended), state(ended, failed, done=True, ids=("x",))]
        self.assertEqual(0, self.add())
        self.assertEqual([{"command": "add", "target": HERE}, *[{"command": "add", "job": "j"}] * 3], self.asked)
        self.assertEqual(
            [
                "ok 10.0.0.5 it answers",
                "FAILED 10.0.0.5 x needs a login",
                "  no",
                "  Enter a login: camdetect login x",
                "  Use port 554: camdetect add rtsp://10.0.0.5:554/a",
                "  Search 10.0.0.0/24: camdetect networks add 10.0.0.0/24",
                "  Adopt it: camdetect adopt x",
                "x",
            ],
            self.out.getvalue().splitlines(),
        )

    def test_nothing_found(self) -> None:
        """The exit status tells whether a camera was found."""
        self.answers = [state({**STEP, "state": "failed", "reason": "nobody"}, done=True)]
        self.assertEqual(1, self.add())
        self.assertEqual("no camera was added", self.out.getvalue().splitlines()[-1])

    def test_json(self) -> None:
        """As JSON it is the last state, and nothing else."""
        self.answers = [state(STEP), state(STEP, done=True, ids=("x",))]
        self.assertEqual(0, self.add(use_json=True))
        self.assertEqual(state(STEP, done=True, ids=("x",)), {"ok": True, **json.loads(self.out.getvalue())})

    def test_terminal(self) -> None:
        """A terminal is drawn anew; what a device calls itself cannot steer it."""
        self.out = Terminal()
        steered = {**STEP, "state": "ok", "text": "it is \x1b[2JAcme"}
        self.answers = [state(STEP), state(steered, done=True, ids=("x",))]
        self.assertEqual(0, self.add())
        self.assertIn("✓", self.out.getvalue())
        self.assertIn("it is [2JAcme", self.out.getvalue())
        self.assertNotIn("\x1b[2JAcme", self.out.getvalue())

    def test_refused(self) -> None:
        """A refusal, and no daemon, are one line and status 1."""
        for answer, words in (
            (RemoteError("target: at most 1024 addresses"), "camdetect add: target: at most 1024 addresses"),
            (NotRunning("no daemon answers"), "only the running daemon can do that"),
        ):
            self.answers = [answer]
            self.assertEqual(1, self.add())
            self.assertIn(words, self.err.getvalue())

    def test_interrupted(self) -> None:
        """Ctrl-C ends the showing, not the job, without a traceback."""
        self.answers = [state(STEP), KeyboardInterrupt()]
        self.assertEqual(1, self.add())
        self.assertIn("the daemon continues", self.err.getvalue())

    def test_from_standard_input(self) -> None:
        """A URL with a password need not stand among the arguments, which other users can read."""

        class Located:
            state_dir = Path("/state")

        self.patch(sys.modules[main.__module__], "_asking", lambda: Located)
        self.patch(sys, "stdin", io.StringIO("rtsp://u:p@10.0.0.5/a\n"))
        self.patch(sys, "stdout", self.out)
        self.answers = [state(done=True, ids=("x",))]
        self.assertEqual(0, main(["add", "-"]))
        self.assertEqual("rtsp://u:p@10.0.0.5/a", self.asked[0]["target"])
