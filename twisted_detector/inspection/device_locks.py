"""Locks of devices: one user of a device at a time, and the connections that users leave open between two turns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred, DeferredLock

#: Connections that are kept without a user: a quarter of the usual limit of open files (1 024). The oldest is closed to
#: make room.
MAX_KEPT_CONNECTIONS = 256

#: Ends a connection; fires when it is gone.
Close = Callable[[], Deferred[None] | None]


def http_key(address: str) -> str:
    """Key of the lock for the interview of a device over HTTP; that for its streams and pictures is the address itself.

    An interview of a recorder takes as long as it has channels; whoever looks at one of them is not to wait for that.
    """
    return f"http {address}"


class DeviceLocks:
    """One lock for each key (an address, or its :func:`http_key`), with at most one kept connection behind it.

    A second RTSP connection makes small recorders drop the first, hence one user at a time. A user may keep its
    connection open for its own next turn (:meth:`keep_connection`); it is closed before another user's turn. Bounded by
    the users: the lock of an address that is neither held nor waited for is forgotten.
    """

    def __init__(self) -> None:
        self._locks: dict[str, tuple[DeferredLock, int]] = {}
        self._kept: dict[str, tuple[object, Close]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @property
    def kept_count(self) -> int:
        """How many connections are kept open without a user."""
        return len(self._kept)

    def keep_connection(self, address: str, owner: object, close: Close) -> None:
        """Keep the connection of the lock's holder: ``close`` ends it, unless ``owner`` is the next user."""
        self.close_kept(address)
        self._kept[address] = (owner, close)
        while len(self._kept) > MAX_KEPT_CONNECTIONS:
            self.close_kept(next(iter(self._kept)))

    def close_kept(self, address: str, *, owner: object = None) -> Deferred[None] | None:
        """Close the kept connection to ``address``, if there is one, and it is ``owner``'s; fires when it is gone.

        :param owner: None: whoever's it is.
        """
        if owner is not None and self._kept.get(address, (None,))[0] is not owner:
            return None
        kept = self._kept.pop(address, None)
        return kept[1]() if kept is not None else None

    def close_all_kept(self) -> None:
        """Close all kept connections."""
        for address in tuple(self._kept):
            self.close_kept(address)

    @asynccontextmanager
    async def acquire(self, address: str, owner: object = None) -> AsyncIterator[None]:
        """Wait for the lock, and hold it until the block ends. May be cancelled while waiting.

        A kept connection to the address is closed, unless it is ``owner``'s, which uses it again.
        """
        lock, users = self._locks.get(address, (DeferredLock(), 0))
        self._locks[address] = (lock, users + 1)
        try:
            await lock.acquire()
            try:
                if owner is None or self._kept.get(address, (None,))[0] is not owner:
                    gone = self.close_kept(address)
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
