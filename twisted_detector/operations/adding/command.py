"""The command ``add``: jobs that add cameras, some at a time; each is asked for how far it is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, FirstError
from txaio.tx import make_logger

from twisted_detector.detector.task_group import TaskGroup
from twisted_detector.errors import RemoteError
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.operations.adding.progress import Progress
from twisted_detector.operations.adding.single import Means, SingleAddition
from twisted_detector.operations.adding.targets import Target, read_target
from twisted_detector.operations.decisions.streams import ResolveName

#: Jobs at one time: each asks up to 24 addresses at once.
MAX_JOBS = 4
#: Jobs that are remembered, those that ended too: a person looks at one.
MAX_REMEMBERED = 32
#: Seconds after its end in which a job can be asked for.
KEPT_SECONDS = 600.0
#: Addresses of one job at a time: each has an entry of the kernel's neighbour table for three seconds, and an eighth of
#: that table (1 024) is for look-ups.
AT_ONCE = 24


class AddCommand:
    """Executor of ``add``.

    :param resolve: looks a host's name up.
    """

    log = make_logger()

    def __init__(self, means: Means, *, resolve: ResolveName) -> None:
        self._means = means
        self._resolve = resolve
        self._refusal = means.devices.explain_refusal
        self._jobs: BoundedDict[str, Progress] = BoundedDict(MAX_REMEMBERED)
        self._running = TaskGroup("Adding cameras", limit=MAX_JOBS)

    async def add(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Begin to add ``target``, or tell how far the job ``job`` is.

        :raises RemoteError: a target that is none, or too large; too many jobs; no such job.
        """
        self._forget_old()
        job = fields.get("job")
        if job is not None:
            progress = self._jobs.get(job) if isinstance(job, str) else None
            if progress is None:
                raise RemoteError("job: there is no such job, or it ended more than ten minutes ago")
            return progress.document()
        target = read_target(fields.get("target"))
        for address in target.addresses[:1]:
            if ip_address(address.partition("%")[0]).is_loopback and (refusal := self._refusal(address)):
                raise RemoteError(f"target: {refusal}")
        if not self._running.room:
            raise RemoteError(f"target: {MAX_JOBS} additions are already running; wait until one has finished")
        progress = Progress(secrets.token_hex(8), target.shown, len(target.addresses) or 1)
        self._jobs[progress.job] = progress
        self._running.start(self._run(progress, target)).addCallback(self._ended, progress)
        return progress.document()

    def stop(self) -> Deferred[Any]:
        """End all jobs; fires when they have ended."""
        return self._running.cancel_all()

    def _ended(self, _: None, progress: Progress) -> None:
        progress.end(self._means.monotonic())

    def _forget_old(self) -> None:
        now = self._means.monotonic()
        for job in [job for job, one in self._jobs.items() if now - (one.ended_at or now) >= KEPT_SECONDS]:
            del self._jobs[job]

    async def _run(self, progress: Progress, target: Target) -> None:
        addresses = target.addresses
        if target.name:
            progress.doing("", "resolve", f"looking up {target.name}")
            addresses = tuple(await self._resolve(target.name))
            if not addresses:
                progress.failed("", "resolve", f"looked up {target.name}", "no host with that name is known")
                return
            progress.succeeded("", "resolve", f"{target.name} is {', '.join(addresses)}")
            addresses = addresses[:1]
        if len(addresses) == 1:
            await self._add_one(progress, addresses[0], target)
            return
        await self._add_many(progress, target)

    async def _add_many(self, progress: Progress, target: Target) -> None:
        places: Iterator[str] = iter(target.addresses)

        async def work() -> None:
            for address in places:
                await self._add_one(progress, address, target, many=True)

        workers = [Deferred.fromCoroutine(work()) for _ in range(AT_ONCE)]
        try:
            await DeferredList(workers, fireOnOneErrback=True, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()
        finally:
            for worker in workers:
                worker.cancel()

    async def _add_one(self, progress: Progress, address: str, target: Target, *, many: bool = False) -> None:
        addition = SingleAddition(self._means, progress, address, many=many, looked_up=bool(target.name))
        try:
            await addition.run(target.stream, target.login)
        except CancelledError:
            raise
        except Exception:
            self.log.failure("{address} could not be added", address=address)
            progress.failed(address, "fault", "it was not added", "an internal error of camdetect; see its log")
