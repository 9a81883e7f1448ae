"""For whom a login is kept that a person types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.operations.logins.keeping import LoginKeeper

CAMERA = Camera("x", "x", "10.0.0.5", manufacturer="Acme")


class AudienceTests(SynchronousTestCase):
    def test_vendor(self) -> None:
        """Those of its manufacturer, as an inspection found it: one that a datagram names may be anybody's word."""
        nothing: Any = None
        keeper = LoginKeeper(nothing, nothing, interfaces=nothing)
        found = self.successResultOf(Deferred.fromCoroutine(keeper.audience_of(CAMERA, "vendor")))
        self.assertEqual("Acme", found.value)
        heard = replace(CAMERA, hearsay=("manufacturer",))
        refused = self.failureResultOf(Deferred.fromCoroutine(keeper.audience_of(heard, "vendor")), RemoteError)
        self.assertIn("this camera does not report its manufacturer", str(refused.value))
