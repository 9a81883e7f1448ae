"""Board of notices: which ways there are, what was told lately, and the command ``notices``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted_detector.errors import RemoteError
from twisted_detector.model.encoding import encode
from twisted_detector.model.notices import Notice
from twisted_detector.outputs.notices.document import listed_document
from twisted_detector.outputs.notices.way import DeliveryFailed, Way
from twisted_detector.outputs.notices.wording import Clock

#: Notices in one answer: more is no list that a person reads; and their octets, for a broker takes the answer too.
MAX_LISTED, MAX_OCTETS = 100, 40_960


class NoticeBoard:
    """Holder of the ways, on or off, with the answers of the command ``notices``.

    :param recent: notices that last or are over, as the list has them.
    :param clock: writes times as people here do.
    """

    def __init__(self, recent: Callable[[], list[Notice]], clock: Clock) -> None:
        self._recent = recent
        self.clock = clock
        self._ways: dict[str, Way] = {}
        self._off: dict[str, str] = {}

    def add(self, way: Way) -> None:
        """From now on there is this way."""
        self._ways[way.name] = way

    def add_off(self, name: str, how: str) -> None:
        """There could be a way of this name; ``how``: by which settings."""
        self._off[name] = how

    async def answer(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The command: without an action the list, with ``test`` and a ``way`` a test of that.

        :raises RemoteError: another action, or no such way.
        """
        action = fields.get("action")
        if action in (None, ""):
            return {
                "notices": self._listed(),
                "ways": self.ways(),
            }
        if action != "test":
            raise RemoteError("action: must be test", shown=ascii(action)[:60])
        return await self._test(fields.get("way"))

    def _listed(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = []
        octets = 0
        for one in self._recent()[:MAX_LISTED]:
            document = listed_document(one, self.clock)
            octets += len(encode(document))
            if octets > MAX_OCTETS:
                break
            listed.append(document)
        return listed

    def ways(self) -> list[dict[str, Any]]:
        """Each way: its name, whether it is on, and how it is in words."""
        on = [{"name": name, "on": True, "text": way.state()} for name, way in self._ways.items()]
        off = [{"name": name, "on": False, "text": how} for name, how in self._off.items()]
        return sorted([*on, *off], key=lambda one: str(one["name"]))

    async def _test(self, name: object) -> dict[str, Any]:
        if isinstance(name, str) and name in self._off:
            raise RemoteError(f"way: {name} is off: {self._off[name]}")
        way = self._ways.get(name) if isinstance(name, str) else None
        if way is None:
            known = ", ".join(sorted((*self._ways, *self._off)))
            raise RemoteError(f"way: no such way; there are {known}", shown=ascii(name)[:60])
        try:
            return {"way": way.name, "sent": True, "text": await way.test()}
        except DeliveryFailed as error:
            return {"way": way.name, "sent": False, "text": str(error)}

    def figures(self) -> dict[str, Any]:
        """Block of the health document, for the metrics."""
        return {
            name: {"sent": dict(way.sent), "failures": way.failures, "lost": way.mailbox.lost}
            for name, way in self._ways.items()
        }
