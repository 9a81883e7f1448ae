"""Router of requests by name; the control socket, the web API and the MQTT commands share one, and so their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted_detector.errors import LocalError, RemoteError

#: Handler of one request: from its fields to the fields of the answer, plain JSON values both. Raises RemoteError for
#: what it refuses.
Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class RequestRouter:
    """Table of the handlers.

    :ivar handlers: handler by name of the request; grows when :meth:`register` is called.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def register(self, name: str, handler: Handler) -> None:
        """From now on requests of this name go to ``handler``.

        :raises LocalError: the name has a handler already.
        """
        if name in self.handlers:
            raise LocalError("two handlers for one request", shown=name)
        self.handlers[name] = handler

    def extend(self, name: str, around: Callable[[Handler], Handler]) -> None:
        """From now on what ``around`` makes of the handler of a request has it.

        :raises LocalError: the name has no handler.
        """
        if name not in self.handlers:
            raise LocalError("no handler to extend", shown=name)
        self.handlers[name] = around(self.handlers[name])

    async def dispatch(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to one request.

        :raises RemoteError: there is no handler of that name, or it refuses the request.
        """
        handler = self.handlers.get(name)
        if handler is None:
            raise RemoteError("no such request", shown=repr(name))
        return await handler(fields)
