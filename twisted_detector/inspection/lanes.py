"""The address of a device goes in; the right to hold the one connection to it comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredLock


def web_lane(address: str) -> str:
    """The lane for HTTP, ONVIF and pictures alike; that for RTSP is the address itself."""
    return f"http {address}"


class Lanes:
    """One user at a time for each address: a second RTSP connection makes small recorders drop the first.

    Bounded by its users: an address that nobody waits for or holds is forgotten.
    """

    def __init__(self) -> None:
        self._locks: dict[str, tuple[DeferredLock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, address: str) -> AsyncIterator[None]:
        """Wait for the turn, and have it until the block ends. May be cancelled while waiting."""
        lock, users = self._locks.get(address, (DeferredLock(), 0))
        self._locks[address] = (lock, users + 1)
        try:
            await lock.acquire()
            try:
                yield
            finally:
                lock.release()
        finally:
            users = self._locks[address][1] - 1
            if users:
                self._locks[address] = (lock, users)
            else:
                del self._locks[address]
