"""A broker's host name goes in; socket addresses come out, within a bounded time whatever the name server does."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout

from twisted_detector.mqtt.network.buffered_socket import AttemptFailed
from twisted_detector.mqtt.network.connect import Address
from twisted_detector.mqtt.network.thread import OneThread

#: More addresses of one broker would only lengthen an attempt.
MAX_ADDRESSES = 4


def look_up(host: str, port: int) -> tuple[Address, ...]:
    """The system's answer (hosts file, DNS, mDNS, as it is configured). Blocks for as long as the system likes.

    :raises OSError: no such name; UnicodeError: not a name at all.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys((family, where) for family, _, _, _, where in found))[:MAX_ADDRESSES]


class Resolver:
    """Looks names up in a thread of its own.

    The system's resolver cannot be interrupted. So there is never more than one question under way: who asks while an
    old one hangs waits for that one, at most ``timeout`` seconds. When the name server is away, the addresses that it
    gave last are used: an outage of DNS need not become one of MQTT.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float = 5.0,
        lookup: Callable[[str, int], tuple[Address, ...]] = look_up,
        thread: OneThread | None = None,
    ) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._lookup = lookup
        self._thread = thread or OneThread(reactor, "mqtt-dns")
        self._asking: dict[tuple[str, int], list[Deferred[tuple[Address, ...]]]] = {}
        self._known: dict[tuple[str, int], tuple[Address, ...]] = {}

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """Addresses to try in order.

        :raises AttemptFailed: there are none, said in plain words.
        """
        key = (host, port)
        mine: Deferred[tuple[Address, ...]] = Deferred()
        waiting = self._asking.get(key)
        if waiting is None:
            waiting = self._asking[key] = []
            waiting.append(mine)
            self._thread.run(lambda: self._lookup(host, port)).addBoth(self._answered, key)
        else:
            waiting.append(mine)
        mine.addTimeout(self._timeout, self._reactor)
        try:
            found = await mine
        except DeferredTimeout:
            reason = f"the name {host!r} was not resolved within {self._timeout:g} s"
        except UnicodeError:
            raise AttemptFailed(f"{host!r} is not a host name") from None
        except OSError as error:
            reason = f"the name {host!r} is not known: {error.strerror or error}"
        else:
            if found:
                self._known[key] = found
                return found
            reason = f"the name {host!r} has no address"
        if key in self._known:
            return self._known[key]
        raise AttemptFailed(reason)

    def _answered(self, result: Any, key: tuple[str, int]) -> None:
        for waiting in self._asking.pop(key, []):
            if not waiting.called:
                waiting.callback(result)

    def stop(self) -> None:
        """Join the thread, unless it hangs."""
        self._thread.stop()
