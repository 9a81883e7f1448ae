"""Secrets and logins."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import (
    Login,
    Secret,
)


class SecretTests(SynchronousTestCase):
    def test_is_never_shown(self) -> None:
        """No way of turning a secret, or what holds one, into text shows it."""
        secret = Secret("canary-7f3a")
        login = Login("admin", secret)
        for shown in (
            str(secret),
            repr(secret),
            f"{secret}",
            f"{secret!r}",
            repr(login),
            f"{login}",
            repr([login]),
        ):
            self.assertNotIn("canary", shown)
        self.assertEqual("canary-7f3a", secret.reveal())

    def test_is_no_json(self) -> None:
        """A secret that gets into a document stops the document."""
        with self.assertRaises(TypeError):
            json.dumps({"password": Secret("canary")})

    def test_is_frozen_and_comparable(self) -> None:
        """Equal secrets are equal, and none can be changed."""
        self.assertEqual(Secret("a"), Secret("a"))
        self.assertNotEqual(Secret("a"), Secret("b"))
        with self.assertRaises(FrozenInstanceError):
            Secret("a")._text = "b"  # type: ignore[misc]
        self.assertEqual("a", copy.copy(Secret("a")).reveal())
        self.assertFalse(Secret(""))
        self.assertEqual("a", pickle.loads(pickle.dumps(Secret("a"))).reveal())
