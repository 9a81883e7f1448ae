"""Helpers of all subcommands: faults as one line with exit status 1, and one run of the reactor."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_detector.errors import CamdetectError, StateRefused

P = ParamSpec("P")
T = TypeVar("T")


def subcommand(name: str) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Decorator of a subcommand: a CamdetectError goes to its argument ``err``, and the exit status is 1.

    2 for a state directory that is refused: as a fault of the configuration, which no later try mends.
    """

    def decorate(run: Callable[P, int]) -> Callable[P, int]:
        @wraps(run)
        def reporting(*arguments: P.args, **more: P.kwargs) -> int:
            try:
                return run(*arguments, **more)
            except CamdetectError as error:
                err: Any = more["err"]
                err.write(f"camdetect {name}: {error}\n")
                return 2 if isinstance(error, StateRefused) else 1

        return reporting

    return decorate


def run_reactor(reactor: Any, work: Coroutine[Deferred[Any], Any, T]) -> T:
    """Run the reactor, which can run once only, until ``work`` has ended; its result.

    :raises CamdetectError: as ``work``. Any other exception is logged and ends the process with status 1.
    """
    results: list[T] = []
    faults: list[CamdetectError] = []

    async def collect() -> None:
        try:
            results.append(await work)
        except CamdetectError as error:
            faults.append(error)

    try:
        react(lambda _: Deferred.fromCoroutine(collect()), (), reactor)
    except SystemExit:  # how react() ends, well or not
        if faults:
            raise faults[0] from None
        if not results:
            raise
    return results[0]
