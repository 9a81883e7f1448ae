"""The canaries sing: each place where a secret could be read is one where it is found."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.canaries import Canaries

SECRET = "kanarie-4711"


class CanaryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir(mode=0o700)
        self.canaries = Canaries()
        self.output = self.directory / "out.log"
        self.state = self.directory / "state"
        self.state.mkdir(mode=0o700)
        self.environment = {"CAMERA_CREDENTIALS": f"viewer:look-at-me,admin:{SECRET}", "STATE_DIR": str(self.state)}
        self.canaries.started(self.environment, self.output)

    def found(self) -> list[str]:
        self.canaries.look_at_files()
        return [str(leak) for leak in self.canaries.leaks]

    def test_nothing(self) -> None:
        """What shows no secret is no leak: names of users, fingerprints, masks."""
        self.output.write_text("login admin accepted, ***, viewer:***\n")
        (self.state / "state.db").write_bytes(b"\0admin\0")
        self.assertEqual([], self.found())
        self.assertEqual(2, self.canaries.looked[0])

    def test_outputs(self) -> None:
        """A secret in a log, or in what was heard from a broker, as it is, in a URL, in JSON or as Basic sends it."""
        self.canaries.plant('quo"ted/kanarie', "another")
        basic = base64.b64encode(f"admin:{SECRET}".encode()).decode()
        texts = (f"password {SECRET}!", "rtsp://a:quo%22ted%2Fkanarie@h/", json.dumps(['quo"ted/kanarie']), basic)
        for text in texts:
            self.canaries.leaks.clear()
            self.output.write_text(text)
            [leak] = self.found()
            self.assertIn("out.log", leak)
            self.assertNotIn("kanarie", leak)

    def test_state(self) -> None:
        """A secret in a file of the state directory, below it too."""
        (self.state / "deep").mkdir()
        (self.state / "deep" / "file").write_bytes(b"\0" + SECRET.encode())
        self.assertIn("CAMERA_CREDENTIALS of admin can be read in the state file file", self.found())

    def test_files_of_logins(self) -> None:
        """The files that hold logins on purpose are its owner's alone."""
        file = self.state / "frigate.env"
        file.write_text(f"PASSWORD={SECRET}\n")
        file.chmod(0o600)
        self.assertEqual([], self.found())
        file.chmod(0o640)
        self.assertEqual(["the logins can be read in frigate.env, which others may read"], self.found())

    def test_state_for_all_to_read(self) -> None:
        """A state directory and a file in it that others may read."""
        file = self.state / "state.db"
        file.write_bytes(b"")
        file.chmod(0o644)
        self.assertEqual([], self.found())
        self.state.chmod(0o755)
        self.assertEqual(["the state can be read in state.db of the state directory"], self.found())

    def test_files_of_secrets(self) -> None:
        """What stands in the file that a setting names is a canary too."""
        file = self.directory / "logins"
        file.write_text("# ours\n[vendor axis]\nroot:third-kanarie\n")
        self.canaries.started({"CAMERA_CREDENTIALS_FILE": str(file)}, None)
        self.output.write_text("third-kanarie")
        self.assertEqual(["CAMERA_CREDENTIALS of root can be read in the output out.log"], self.found())
