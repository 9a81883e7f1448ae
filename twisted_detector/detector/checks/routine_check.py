"""Routine check of a device: whether its streams still play, with as few questions as will do."""

from __future__ import annotations

from twisted_detector.detector.device_sessions import TAKEN, DeviceSessions
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.detector.session_cache import streams_to_check
from twisted_detector.model import Proof, StreamReport
from twisted_detector.registry.registry import Registry

#: A report that came no further than this says that the device is away, not that its stream is bad.
_AWAY = (Proof.UNREACHABLE,)
#: Rungs that only a full proof reaches.
PLAYED = (Proof.RTP, Proof.KEYFRAME)


class RoutineCheck:
    """Checks one device per call; each check is recorded in the registry.

    A full proof holds for some checks (:class:`ProofCache` counts). While it does, a device that is known to be present
    is asked nothing (:meth:`settle`), and another for one stream, cheaply.

    Counts ``seen``, ``glanced``, ``checked`` and ``missed``.
    """

    def __init__(self, environment: Environment, registry: Registry, *, sessions: DeviceSessions) -> None:
        self._environment = environment
        self._registry = registry
        self._sessions = sessions
        self._counts = sessions.counts
        self._round = 0

    def settle(self, key: int) -> bool:
        """Record that a device is well which answered just now, under its name and from its address.

        :returns: whether that was enough: its full proof still holds. Else it has to be checked.
        """
        if not self._sessions.may_ask(key):
            return True  # that is recorded
        candidate, cache = self._registry.candidate(key), self._sessions.cache
        if not cache.proofs.holds(key, candidate.address, cache.usable_login(key, candidate)):
            return False
        if not any(one.validated for one in self._registry.streams(key)):
            return False
        self._counts["seen"] += 1
        self._registry.record_check(key, {}, self._environment.now())
        return True

    def record_taken(self, key: int) -> None:
        """Record that another device was seen where this one was: it is asked nothing there."""
        self._counts["missed"] += 1
        self._sessions.record_no_answer(key, TAKEN)

    async def check(self, key: int) -> None:
        """Check whether a stream of each of the device's cameras still plays, and one that did not the last time."""
        if not self._sessions.may_ask(key):
            return
        candidate, cache = self._registry.candidate(key), self._sessions.cache
        session = self._sessions.open(key, candidate)
        session.login = cache.usable_login(key, candidate)
        self._round += 1
        if cache.proofs.holds(key, candidate.address, session.login) and await self._check_cheaply(key, session):
            return
        await self._prove(key, session)

    async def prove(self, key: int) -> None:
        """As :meth:`check`, in full whatever was proved before."""
        if self._sessions.may_ask(key):
            session = self._sessions.open(key, self._registry.candidate(key))
            session.login = self._sessions.cache.usable_login(key, session.candidate)
            await self._prove(key, session)

    async def _prove(self, key: int, session: InspectionSession) -> None:
        reports: dict[str, StreamReport] = {}
        for camera in self._registry.cameras_of(key):
            for stream in streams_to_check(camera.streams, self._round):
                reports[stream.url] = await session.prove(stream)
        if reports and self._sessions.is_at(key, session.candidate):
            self._record(key, reports, session)

    async def _check_cheaply(self, key: int, session: InspectionSession) -> bool:
        """Check one stream, each in turn.

        :returns: whether that was enough; a result other than "as before" is recorded as that of a full proof is.
        """
        streams = [one for one in self._registry.streams(key) if one.validated]
        if not streams:
            return False
        stream = streams[self._round % len(streams)]
        report = await session.prove(stream, cheaply=True)
        if not self._sessions.is_at(key, session.candidate):
            return True
        if report.validated and report.proof not in PLAYED:
            self._counts["glanced"] += 1
            self._registry.record_check(key, {}, self._environment.now())
        else:
            self._record(key, {stream.url: report}, session)
        return True

    def _record(self, key: int, reports: dict[str, StreamReport], session: InspectionSession) -> None:
        now = self._environment.now()
        reason = next((one.reason for one in reports.values() if one.reason), "")
        if all(report.proof in _AWAY for report in reports.values()):
            self._counts["missed"] += 1
            self._sessions.record_no_answer(key, reason)
        elif not session.busy and all(one.proof is Proof.AUTH and not one.validated for one in reports.values()):
            self._registry.record_auth_required(key, session.explain(reason), now)
        elif session.busy and not any(report.validated for report in reports.values()):
            self._registry.record_busy(key, session.busy, now)
        else:
            self._counts["checked"] += 1
            self._registry.record_check(key, reports, now)
        self._sessions.cache.record_logins(key, session)
        self._sessions.cache.record_proof(key)
