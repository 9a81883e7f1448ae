"""Where the configuration's logins are from."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from twisted_detector.service.knowledge import login_source

LOGINS = "viewer:look\n"


class LoginSourceTests(SynchronousTestCase):
    def test_words(self) -> None:
        """A variable is the environment; a file of settings and a file of logins, whoever names it, are files."""
        for environ, files, source in (
            ({}, {}, "environment"),
            ({"CAMERA_CREDENTIALS": "viewer:look"}, {}, "environment"),
            ({"CAMERA_USERNAME": "viewer", "CAMERA_PASSWORD": "look"}, {}, "environment"),
            ({"CAMERA_CREDENTIALS_FILE": "/logins"}, {"/logins": LOGINS}, "file"),
            ({"CAMDETECT_CONFIG": "/c"}, {"/c": 'camera_credentials = ["viewer:look"]\n'}, "file"),
        ):
            with self.subTest(environ=environ):
                self.assertEqual(source, login_source(read(environ, files)))
