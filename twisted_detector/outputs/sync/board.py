"""Board of the targets of all services that keep other programs in step, for health report, doctor and page."""

from __future__ import annotations

from zope.interface import implementer

from twisted_detector.outputs.sync.seams import ISyncStatus, TargetStatus


@implementer(ISyncStatus)
class SyncBoard:
    """State of every target of every service that has added itself; a plugin's service may, too."""

    def __init__(self) -> None:
        self._services: list[ISyncStatus] = []

    def add(self, service: ISyncStatus) -> None:
        """Show the targets of ``service`` from now on."""
        self._services.append(service)

    def statuses(self) -> tuple[TargetStatus, ...]:
        """See :class:`ISyncStatus`."""
        return tuple(status for service in self._services for status in service.statuses())
