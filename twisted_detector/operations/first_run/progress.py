"""Whether the page opens on the first run: kept in the store, so that it is shown until it is done, and never again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted_detector.errors import RemoteError
from twisted_detector.model import Adoption
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IStateStore

#: Table and key in the store.
_TABLE, _KEY = "first_run_page", "state"
NEW, FINISHED, SKIPPED, EARLIER = "new", "finished", "skipped", "earlier"
_ACTIONS = {"finish": FINISHED, "skip": SKIPPED}


class FirstRunPage:
    """Handler of ``first-run``.

    It is open on an installation that began with this or a later version, until a person has finished or skipped it, or
    adopted a camera. That camdetect adopted some by itself does not end it: they still want a login.
    """

    def __init__(self, store: IStateStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._state = EARLIER

    async def restore(self, *, known: bool) -> None:
        """Take over what an earlier start kept. :param known: whether there are cameras of an earlier run."""
        saved = (await self._store.load_values(_TABLE)).get(_KEY, "")
        self._state = saved or (EARLIER if known else NEW)
        if not saved:
            self._store.save_value(_TABLE, _KEY, self._state)

    @property
    def is_open(self) -> bool:
        """Whether the page opens on it."""
        return self._state == NEW and not any(one.adopted is Adoption.PERSON for one in self._registry.cameras())

    async def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """How it stands; with ``action`` (finish or skip) it is over.

        :raises RemoteError: another action.
        """
        if "action" in fields:
            action = fields["action"]
            if not isinstance(action, str) or action not in _ACTIONS:
                raise RemoteError(f"action: must be one of {', '.join(_ACTIONS)}")
            self._state = _ACTIONS[action]
            self._store.save_value(_TABLE, _KEY, self._state)
        return {"open": self.is_open, "state": self._state}
