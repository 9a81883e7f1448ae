"""Answers to where a camera is published, and where it is adopted: for the page and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted_detector.operations.nodes.service import NodeService
from twisted_detector.operations.requests import Handler


class Whereabouts:
    """Teller of which other nodes have to do with a camera.

    :param node_id: ours. :param adopted_at: another node that says that a camera is adopted there, "" for none.
    """

    def __init__(self, nodes: NodeService, *, node_id: str, adopted_at: Callable[[str], str]) -> None:
        self._nodes = nodes
        self._node_id = node_id
        self._adopted_at = adopted_at

    def of(self, camera_id: str) -> dict[str, str]:
        """``owner``: another node that publishes a camera, "" for none; ``owner_page``: where that one's page is
        opened; ``adopted_at``: another node where it is adopted."""
        owner = self._nodes.record.owner_of(camera_id)
        if owner in ("", self._node_id):
            owner = ""
        page = self._nodes.record.page_of(owner) if owner else ""
        return {"owner": owner, "owner_page": page, "adopted_at": self._adopted_at(camera_id)}

    async def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handler of the request ``whereabouts``: of the camera ``camera_id``."""
        return self.of(str(fields.get("camera_id", "")))

    def added_to(self, why: Handler) -> Handler:
        """``why`` with this about each camera of its answer."""

        async def answer(fields: Mapping[str, Any]) -> Mapping[str, Any]:
            found = await why(fields)
            return {**found, "cameras": [{**one, **self.of(one["id"])} for one in found["cameras"]]}

        return answer
