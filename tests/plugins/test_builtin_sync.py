"""Settings go in; files with the modes that they must have come out."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from tests.store.case import Pool, Reactor
from twisted_detector.interfaces import MakerContext
from twisted_detector.plugins.builtin_sync import frigate_destinations, go2rtc_destinations

ENTRY = {"024000000001": {"enabled": True}}


class PooledReactor(Reactor):
    """A clock with a pool whose thread is this one."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.pool.start()

    def getThreadPool(self) -> Pool:
        return self.pool


class Files(SynchronousTestCase):
    def modes(self, **more: str) -> list[int]:
        """The modes of Frigate's and go2rtc's files after entries were delivered to them."""
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(mode=0o755)
        config = read(
            {"FRIGATE_CONFIG_PATH": f"{folder}/f.yml", "GO2RTC_CONFIG_PATH": f"{folder}/g.yaml", **more},
        )
        context = MakerContext(
            reactor=PooledReactor(), config=config, settings={}, publish=_unused, subscribe=_unused, parts={}
        )
        (frigate,), (go2rtc,) = frigate_destinations(context)["frigate"], go2rtc_destinations(context)["go2rtc"]
        for destination in (frigate, go2rtc):
            self.successResultOf(Deferred.fromCoroutine(destination.deliver(ENTRY, {}, False)))
        return [stat.S_IMODE((folder / name).stat().st_mode) for name in ("f.yml", "g.yaml")]

    def test_with_logins(self) -> None:
        """Where PUBLISH_CREDENTIALS puts logins into them, nobody but their owner reads them; without, whoever may."""
        self.assertEqual([0o600, 0o600], self.modes(PUBLISH_CREDENTIALS="true"))
        self.assertEqual([0o644, 0o644], self.modes())


def _unused(*_: Any) -> Any:
    raise AssertionError("nothing is published or subscribed to")
