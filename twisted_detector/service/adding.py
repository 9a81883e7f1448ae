"""Joins the commands ``stream`` and ``add`` to the rest of the daemon."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted_detector.detector.detector import Detection
from twisted_detector.inspection.rtsp.connection import open_connection
from twisted_detector.operations.adding.command import AddCommand
from twisted_detector.operations.adding.devices import AddedDevices
from twisted_detector.operations.adding.names import NameResolver
from twisted_detector.operations.adding.single import Means
from twisted_detector.operations.adding.stream_question import StreamQuestion
from twisted_detector.operations.decisions.streams import StreamCommands
from twisted_detector.operations.decisions.verdicts import VerdictCarrier
from twisted_detector.operations.requests import Handler
from twisted_detector.operations.why import Why
from twisted_detector.service.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Adding:
    """The commands by which streams are given and cameras are added."""

    streams: StreamCommands
    add: AddCommand

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The commands by name."""
        return {"stream": self.streams.stream, "add": self.add.add}


def make_adding(
    reactor: Any, knowledge: Knowledge, detection: Detection, *, decided: Handler, why: Why, verdicts: VerdictCarrier
) -> Adding:
    """The commands. :param decided: the command of that name, whose answer is that of ``stream``."""
    registry, book, detector = knowledge.registry, knowledge.decisions, detection.detector
    resolve = NameResolver(reactor).resolve
    streams = StreamCommands(
        registry,
        book,
        decided=decided,
        check=detector.check,
        explain_refusal=detector.explain_refusal,
        resolve=resolve,
        prepare=knowledge.logins.prepare,
    )
    devices = AddedDevices(
        reactor,
        registry,
        detector=detector,
        book=book,
        given=knowledge.given_streams,
        verdicts=verdicts,
        prepare=knowledge.logins.prepare,
    )
    detection.runner.ended.add(devices.inspection_ended)
    question = StreamQuestion(partial(open_connection, reactor), knowledge.access.locks)
    add = AddCommand(Means(reactor, devices, why.examine, question.ask, time.monotonic), resolve=resolve)
    return Adding(streams, add)
