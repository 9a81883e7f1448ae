"""A broker's address goes in; what an independent client (mosquitto_sub) heard comes out, with the time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import Process, wait_until


@dataclass(frozen=True)
class Heard:
    at: float
    retained: bool
    qos: int
    topic: str
    payload: str

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Listener:
    """``mosquitto_sub`` on ``#``; ``prefix`` is a command line that runs it elsewhere (``ip netns exec``)."""

    def __init__(self, output: Path, port: int, *, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        command = ("mosquitto_sub", "-h", host, "-p", str(port), "-q", "1", "-t", "#", "-F", "%U %r %q %t %x")
        self.process = Process((*prefix, *command), output)
        self._heard: list[Heard] = []

    def heard(self) -> list[Heard]:
        for line in self.process.lines()[len(self._heard) :]:
            at, retained, qos, rest = line.split(" ", 3)
            # In hexadecimal digits, for a picture has bytes that end a line.
            topic, _, payload = rest.rpartition(" ")
            text = bytes.fromhex(payload).decode("utf-8", "replace")
            self._heard.append(Heard(float(at), retained == "1", int(qos), topic, text))
        return list(self._heard)

    def on(self, topic: str) -> list[Heard]:
        return [message for message in self.heard() if message.topic == topic]

    def wait(self, topic: str, accept: Callable[[Heard], bool] = lambda _: True, seconds: float = 15.0) -> Heard:
        """The first message on ``topic`` that is accepted."""
        found: list[Heard] = []

        def look() -> bool:
            found[:] = [message for message in self.on(topic) if accept(message)]
            return bool(found)

        topics = lambda: sorted({message.topic for message in self.heard()})  # noqa: E731
        wait_until(look, seconds, lambda: f"a message on {topic}; heard on {topics()}")
        return found[0]

    def end(self) -> None:
        self.process.end()
