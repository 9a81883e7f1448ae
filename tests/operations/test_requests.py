"""The table of request handlers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.handover.sites import done
from twisted_detector.errors import LocalError
from twisted_detector.operations.requests import Handler, RequestRouter


async def why(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"address": fields["address"]}


def more(handler: Handler) -> Handler:
    async def answer(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**await handler(fields), "more": True}

    return answer


class RouterTest(SynchronousTestCase):
    def test_extended(self) -> None:
        """What is made of a handler answers in its stead; there must be one, and each name has one."""
        router = RequestRouter()
        self.assertRaises(LocalError, router.extend, "why", more)
        router.register("why", why)
        router.extend("why", more)
        self.assertEqual({"address": "x", "more": True}, done(router.dispatch("why", {"address": "x"})))
        self.assertRaises(LocalError, router.register, "why", why)
