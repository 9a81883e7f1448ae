"""The address of a device goes in; the right to hold the one connection to it comes out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred, DeferredLock

#: Connections that are kept while nobody uses them: a quarter of the usual limit of open files (1 024). The one that
#: was kept first makes room.
MAX_KEPT = 256

#: Ends a connection; fires when it is gone.
Close = Callable[[], Deferred[None] | None]


def web_lane(address: str) -> str:
    """The lane for HTTP, ONVIF and pictures alike; that for RTSP is the address itself."""
    return f"http {address}"


class DeviceLocks:
    """One user at a time for each address: a second RTSP connection makes small recorders drop the first.

    A user may leave its connection behind for its own next turn (:meth:`keep`); it is closed before anybody else has
    his. Bounded by its users: an address that nobody waits for or holds is forgotten.
    """

    def __init__(self) -> None:
        self._locks: dict[str, tuple[DeferredLock, int]] = {}
        self._kept: OrderedDict[str, tuple[object, Close]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._locks)

    @property
    def kept(self) -> int:
        """How many connections were left behind."""
        return len(self._kept)

    def keep(self, address: str, owner: object, close: Close) -> None:
        """Whoever holds the lane leaves a connection behind: ``close`` ends it when ``owner`` is not the next."""
        self.drop(address)
        self._kept[address] = (owner, close)
        while len(self._kept) > MAX_KEPT:
            self.drop(next(iter(self._kept)))

    def drop(self, address: str) -> Deferred[None] | None:
        """Close what was left behind at ``address``, if anything was; fires when it is gone."""
        kept = self._kept.pop(address, None)
        return kept[1]() if kept is not None else None

    def drop_all(self) -> None:
        """Close everything that was left behind."""
        for address in tuple(self._kept):
            self.drop(address)

    @asynccontextmanager
    async def hold(self, address: str, owner: object = None) -> AsyncIterator[None]:
        """Wait for the turn, and have it until the block ends. May be cancelled while waiting.

        What was left behind at the address is closed, unless ``owner`` left it, who takes it up again.
        """
        lock, users = self._locks.get(address, (DeferredLock(), 0))
        self._locks[address] = (lock, users + 1)
        try:
            await lock.acquire()
            try:
                if owner is None or self._kept.get(address, (None,))[0] is not owner:
                    gone = self.drop(address)
                    if gone is not None:
                        await gone
                self._kept.pop(address, None)
                yield
            finally:
                lock.release()
        finally:
            users = self._locks[address][1] - 1
            if users:
                self._locks[address] = (lock, users)
            else:
                del self._locks[address]
