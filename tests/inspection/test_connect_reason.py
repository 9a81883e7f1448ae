"""Tests of the words for a connection that was not made."""

from __future__ import annotations

import errno

from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.inspection.connect_reason import connect_reason


class ConnectReasonTests(SynchronousTestCase):
    def test_words(self) -> None:
        """Each error has words of the field; a Failure that Twisted wraps, with its traceback, is not shown."""
        for error, words in (
            (ConnectionRefusedError(osError=errno.ECONNREFUSED, string="Connection refused"), "the port is closed"),
            (NoRouteError(osError=errno.EHOSTUNREACH, string="No route to host"), "no route to the address"),
            (ConnectError(osError=errno.EACCES, string="?"), "Permission denied"),
            (ConnectError(string=Failure(ConnectionDone())), "it was closed at once"),
            (ConnectionLost(), "it was closed at once"),
            (DNSLookupError("barn.lan"), "its name is not known"),
        ):
            self.assertEqual(words, connect_reason(error))
        told = ConnectError("the address has no such family")
        self.assertNotIn("Traceback", connect_reason(told))
