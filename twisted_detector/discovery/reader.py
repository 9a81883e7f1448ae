"""Base class of all that the reactor reads: one descriptor, which is closed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


class Descriptor(Protocol):
    """A socket or an epoll object."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


@implementer(IReadDescriptor)
class DescriptorReader(ABC):
    """Reader of a descriptor from now on until :meth:`close`.

    :param reactor: IReactorFDSet.
    :param prefix: names the reader in the reactor's log.
    :ivar is_open: whether it was not closed yet.
    """

    def __init__(self, reactor: Any, descriptor: Descriptor, prefix: str) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        self._prefix = prefix
        self.is_open = True
        reactor.addReader(self)

    @abstractmethod
    def doRead(self) -> None:
        """Read what came, a bounded part of it; the rest comes again in the next turn."""

    def close(self) -> None:
        """Read no more, and close the descriptor."""
        if self.is_open:
            self.is_open = False
            self._reactor.removeReader(self)
            self._descriptor.close()

    def fileno(self) -> int:
        """See :class:`IReadDescriptor`."""
        return self._descriptor.fileno() if self.is_open else -1

    def logPrefix(self) -> str:
        """See :class:`IReadDescriptor`."""
        return self._prefix

    def connectionLost(self, reason: Failure) -> None:
        """The reactor gave the descriptor up."""
        self.close()
