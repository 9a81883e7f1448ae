"""Resolver of the broker's name: bounded in time, with the last good answer while the name server is away."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout

from twisted_detector.mqtt.network.buffered_socket import AttemptFailed
from twisted_detector.mqtt.network.connect import Address
from twisted_detector.mqtt.network.thread import OneThread

#: More addresses of one broker would only lengthen an attempt.
MAX_ADDRESSES = 4


def system_lookup(host: str, port: int) -> tuple[Address, ...]:
    """The system's answer (hosts file, DNS, mDNS, as it is configured). Blocks for as long as the system likes.

    :raises OSError: no such name; UnicodeError: not a name at all.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return mixed(tuple(dict.fromkeys((family, where) for family, _, _, _, where in found)))


def mixed(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """The first addresses, of both families in turn (RFC 8305, 4): one of them may have no way to the broker."""
    first = tuple(one for one in addresses if one[0] == addresses[0][0])
    others = tuple(one for one in addresses if one[0] != addresses[0][0])
    turns = chain.from_iterable(zip_longest(first, others))
    return tuple(one for one in turns if one is not None)[:MAX_ADDRESSES]


class Resolver:
    """Resolves names with the system's resolver, in a thread of its own.

    That resolver cannot be interrupted. So there is never more than one query for a name: a later request joins the one
    under way, for at most ``timeout`` seconds. When the name server is away, the addresses of its last answer are used:
    an outage of DNS need not become one of MQTT.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float = 5.0,
        lookup: Callable[[str, int], tuple[Address, ...]] = system_lookup,
        thread: OneThread | None = None,
    ) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._lookup = lookup
        self._thread = thread or OneThread(reactor, "mqtt-dns")
        self._pending: dict[tuple[str, int], list[Deferred[tuple[Address, ...]]]] = {}
        self._last_answers: dict[tuple[str, int], tuple[Address, ...]] = {}

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        """Addresses to try in order.

        :raises AttemptFailed: there are none; the reason in plain words.
        """
        key = (host, port)
        mine: Deferred[tuple[Address, ...]] = Deferred()
        waiting = self._pending.get(key)
        if waiting is None:
            waiting = self._pending[key] = []
            waiting.append(mine)
            self._thread.run(lambda: self._lookup(host, port)).addBoth(self._resolved, key)
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
                self._last_answers[key] = found
                return found
            reason = f"the name {host!r} has no address"
        if key in self._last_answers:
            return self._last_answers[key]
        raise AttemptFailed(reason)

    def _resolved(self, result: Any, key: tuple[str, int]) -> None:
        for waiting in self._pending.pop(key, []):
            if not waiting.called:
                waiting.callback(result)

    def stop(self) -> None:
        """Join the thread, unless it hangs."""
        self._thread.stop()
