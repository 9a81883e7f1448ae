"""A request by name with its fields goes in; its answer, as plain JSON values, comes out: one desk for all who ask.

The control socket, the web API and the commands from the broker ask the same desk, so each thing is answered one way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted_detector.errors import LocalError, RemoteError

#: Obeys one request: its fields come in, the fields of the answer come out. Raises RemoteError for what it refuses.
Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class RequestRouter:
    """Who answers what.

    :ivar handlers: handler by name of the request; grows when :meth:`seat` is called.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}

    def seat(self, name: str, handler: Handler) -> None:
        """From now on ``handler`` answers ``name``.

        :raises LocalError: somebody does already.
        """
        if name in self.handlers:
            raise LocalError("two handlers for one request", shown=name)
        self.handlers[name] = handler

    async def ask(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to one request.

        :raises RemoteError: nobody answers that, or the request is refused.
        """
        handler = self.handlers.get(name)
        if handler is None:
            raise RemoteError("no such request", shown=repr(name))
        return await handler(fields)
