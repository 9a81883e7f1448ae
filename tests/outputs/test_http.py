"""Values of the client of programs beside us; the client itself is driven over sockets in tests/integration."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Secret
from twisted_detector.outputs.sync.http import HttpRequest, basic_auth


class Values(SynchronousTestCase):
    def test_no_login_is_shown(self) -> None:
        """A request that stands in a traceback shows where it went, and nobody's login."""
        headers = basic_auth("me", Secret("hunter2"))
        request = HttpRequest("PUT", "/api/streams", {"src": "rtsp://me:hunter2@h/x"}, headers, b"hunter2")
        self.assertIn("/api/streams", repr(request))
        for secret in ("hunter2", headers["Authorization"]):
            self.assertNotIn(secret, repr(request))
