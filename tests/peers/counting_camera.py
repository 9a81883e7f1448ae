"""A JSON file (read again at SIGHUP) goes in; one simulated camera comes out, and on standard output what its account
counted: over all protocols and over every change of address or password.

The file: ``{"address": …, "auth": …, "login": "user:password", "onvif": true, "quirks": ["lock_after=3"]}``.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react

from twisted_detector.model import Login, Secret
from twisted_detector.testing.simulator.camera import Auth, CameraSpec, parse_quirks
from twisted_detector.testing.simulator.fleet import Fleet

NAMES = ("failures", "successes", "locks", "refusals_while_locked")


class Counting:
    """The camera as the file has it now."""

    def __init__(self, reactor: Any, file: Path) -> None:
        self._reactor = reactor
        self._file = file
        self._before = dict.fromkeys(NAMES, 0)
        self._fleet: Fleet | None = None
        self._said = ""

    def counts(self) -> dict[str, int]:
        found = dict(self._before)
        if self._fleet is not None:
            for name in NAMES:
                found[name] += getattr(self._fleet.cameras[0].access, name)
        return found

    async def begin(self) -> None:
        said = json.loads(self._file.read_text())
        name, _, password = said["login"].partition(":")
        if self._fleet is not None:
            fleet, self._before, self._fleet = self._fleet, self.counts(), None
            await fleet.stop()
        spec = CameraSpec(
            said["address"],
            http_port=8000,
            rtsp_port=554,
            seed=self._file.name,
            onvif=said.get("onvif", True),
            auth=Auth(said["auth"]),
            login=Login(name, Secret(password)),
            quirks=parse_quirks(said.get("quirks", [])),
        )
        fleet = Fleet(self._reactor, [spec])
        await fleet.start()
        self._fleet = fleet
        print(f"ready at {said['address']}", flush=True)

    def tell(self) -> None:
        line = json.dumps(self.counts())
        if line != self._said:
            self._said = line
            print(line, flush=True)


def main(reactor: Any, file: str) -> Deferred[None]:
    counting = Counting(reactor, Path(file))

    def again(*_: object) -> None:
        reactor.callFromThread(lambda: Deferred.fromCoroutine(counting.begin()))

    signal.signal(signal.SIGHUP, again)
    beginning = Deferred.fromCoroutine(counting.begin())
    telling = LoopingCall(counting.tell)
    telling.clock = reactor
    return beginning.addCallback(lambda _: telling.start(0.02))


if __name__ == "__main__":
    react(main, sys.argv[1:])
