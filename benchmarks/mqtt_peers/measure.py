"""What every Python peer has in common: its command line, the messages, and one line of JSON at the end.

    python <peer>.py flood  PORT COUNT SIZE RATE      all messages at once; the seconds until all are acknowledged
    python <peer>.py outage PORT COUNT SIZE RATE      RATE messages a second while the driver kills the broker

A peer prints ``begin`` when it is connected and publishes the first message, and ends by itself in an outage when all
is acknowledged, or when nothing was for :data:`PATIENCE` seconds after the last message.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass

TOPIC = "bench/mqtt"

#: Longer than the longest pause between attempts of any client here.
PATIENCE = 15.0


@dataclass
class Task:
    """What the driver wants, read from the command line."""

    outage: bool
    port: int
    count: int
    size: int
    rate: float
    began: float = 0.0

    @classmethod
    def read(cls) -> Task:
        mode, port, count, size, rate = sys.argv[1:6]
        return cls(mode == "outage", int(port), int(count), int(size), float(rate))

    def payload(self, number: int) -> bytes:
        """Message ``number``, which it begins with."""
        return b"%d " % number + b"." * (self.size - len(b"%d " % number))

    def begin(self) -> None:
        print("begin", flush=True)
        self.began = time.perf_counter()

    def due(self, number: int) -> float:
        """When message ``number`` is to be published in an outage, in seconds from now; never negative."""
        return max(0.0, self.began + number / self.rate - time.perf_counter())

    def end(self, client: str, acknowledged: int) -> None:
        seconds = time.perf_counter() - self.began
        print(json.dumps({"client": client, "seconds": seconds, "acknowledged": acknowledged}), flush=True)


class Patience:
    """Says when to give up: nothing new for :data:`PATIENCE` seconds."""

    def __init__(self) -> None:
        self.last = (-1, 0.0)

    def over(self, acknowledged: int) -> bool:
        now = time.perf_counter()
        if acknowledged != self.last[0]:
            self.last = (acknowledged, now)
        return now - self.last[1] > PATIENCE
