"""A broker's address goes in; what an independent client (mosquitto_sub) heard comes out, with the time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.processes import Process, Tail, wait_until


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
    """``mosquitto_sub``; ``prefix`` is a command line that runs it elsewhere (``ip netns exec``).

    :param topics: filters of what it hears.
    :param session: its client id, for a session that the broker keeps while it is away; "" for none.
    """

    def __init__(
        self,
        output: Path,
        port: int,
        *,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        session: str = "",
        topics: Sequence[str] = ("#",),
    ) -> None:
        heard = (word for one in topics for word in ("-t", one))
        command = ("mosquitto_sub", "-h", host, "-p", str(port), "-q", "1", *heard, "-F", "%U %r %q %t %x")
        kept = ("-c", "-i", session) if session else ()
        self.process = Process((*prefix, *command, *kept), output)
        self._tail = Tail(output)
        self._heard: list[Heard] = []
        self._on: dict[str, list[Heard]] = defaultdict(list)

    def heard(self) -> list[Heard]:
        """Everything so far, in its order."""
        self._read()
        return list(self._heard)

    def on(self, topic: str) -> list[Heard]:
        """Everything so far on one topic."""
        self._read()
        return list(self._on.get(topic, ()))

    def _read(self) -> None:
        for line in self._tail.lines():
            at, retained, qos, rest = line.split(" ", 3)
            # In hexadecimal digits, for a picture has bytes that end a line.
            topic, _, payload = rest.rpartition(" ")
            text = bytes.fromhex(payload).decode("utf-8", "replace")
            heard = Heard(float(at), retained == "1", int(qos), topic, text)
            self._heard.append(heard)
            self._on[topic].append(heard)

    def wait(self, topic: str, accept: Callable[[Heard], bool] = lambda _: True, seconds: float = 15.0) -> Heard:
        """The first message on ``topic`` that is accepted."""
        found: list[Heard] = []

        def look() -> bool:
            found[:] = [message for message in self.on(topic) if accept(message)]
            return bool(found)

        wait_until(look, seconds, lambda: f"a message on {topic}; heard on {sorted(self._on)}")
        return found[0]

    def end(self) -> None:
        self.process.end()
