"""Makers of the watcher of what eyes report, and of their attendance, declared as a plugin's would be.

Most daemons have no eyes, and load next to nothing of it.
"""

from __future__ import annotations

import os
import time

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.interfaces import INeighbours, IServiceExtension, IWatcherMaker, MakerContext, optional
from twisted_detector.operations.eyes import IEyes
from twisted_detector.operations.eyes.attendance import EyeAttendance
from twisted_detector.operations.report import HealthReport
from twisted_detector.registry.observations import ObservationLog


@implementer(IPlugin, IWatcherMaker)
class EyesMaker:
    """Maker of the watcher of what eyes report, where EYE_KEYS names one."""

    name = "eyes"
    needs = (INeighbours, ObservationLog)
    provides = IEyes

    def make(self, context: MakerContext, neighbours: INeighbours, observations: ObservationLog) -> IEyes | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.discovery.eye_keys:
            return None
        from twisted_detector.operations.eyes.gate import EyeGate
        from twisted_detector.operations.eyes.watcher import EyeWatcher

        gate = EyeGate(
            config.discovery.eye_keys,
            prefix=config.mqtt.topic_prefix,
            random=os.urandom,
            now=time.monotonic(),
        )
        return EyeWatcher(
            context.clock,
            gate,
            neighbours=neighbours,
            publish=context.publish,
            subscribe=context.subscribe,
            record=observations.record,
            monotonic=time.monotonic,
        )


@implementer(IPlugin, IServiceExtension)
class AttendanceMaker:
    """Maker of the service that notices when an eye falls silent."""

    name = "eye_attendance"
    needs = (HealthReport, optional(IEyes))

    def make(self, context: MakerContext, report: HealthReport, eyes: IEyes | None) -> EyeAttendance | None:
        """See :class:`IMaker`."""
        if eyes is None:
            return None
        attendance = EyeAttendance(context.clock, eyes, monotonic=time.monotonic)
        report.add_block("eyes", attendance.document)
        return attendance


eyes = EyesMaker()
eye_attendance = AttendanceMaker()
