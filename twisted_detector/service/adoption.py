"""Builder of the book of adoption, and what is decided at a start: the first run, and what an older version knew."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.task import deferLater

from twisted_detector.config.config import Config
from twisted_detector.detector.first_run import FirstRunWatch
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.model import Adoption, Camera, Candidate
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.login_rules import in_networks
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.registry.adoption import AdoptionBook, AdoptionRecord, Identity
from twisted_detector.registry.registry import Registry
from twisted_detector.store.store import Store

_TABLE = "adoption"
#: One turn of the reactor restores cameras for so many seconds: a tenth of what a user notices. The number of steps is
#: for clocks that stand still.
SLICE_SECONDS, MAX_STEPS = 0.01, 1000


async def make_adoption_book(
    config: Config, store: Store, networks: SiteNetworks, logins: ConfiguredLogins
) -> AdoptionBook:
    """The book, with what an earlier run decided."""
    book = AdoptionBook(
        mode=config.inspection.adoption,
        is_listed=partial(is_listed, networks, logins),
        save=partial(store.save_value, _TABLE),
    )
    book.restore(await store.load_values(_TABLE))
    return book


def is_listed(networks: SiteNetworks, logins: ConfiguredLogins, candidate: Candidate) -> bool:
    """Whether the operator named a device: its network, as one to search or in a heading, or itself in a heading."""
    return in_networks(candidate.address, networks.confirmed()) or logins.lists(candidate)


async def restore_known(
    reactor: Any,
    registry: Registry,
    book: AdoptionBook,
    budget: LoginBudget,
    cameras: Sequence[Camera],
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> float:
    """Hand the cameras of an earlier run to the registry, each with its adoption, and begin the first run.

    In slices: a thousand cameras with all that is published of them would hold up the reactor for most of a second.

    :returns: seconds that are left of the first run; 0.0: this is none.
    """
    now = reactor.seconds()
    if cameras and book.is_new:
        adopt_who_let_in(book, budget, cameras, now)
    left = book.begin(known=bool(cameras), now=now)
    slices, steps = TurnBudget(MAX_STEPS, SLICE_SECONDS, monotonic), registry.restoring(cameras, now)
    while slices.advance(steps):
        await deferLater(reactor, 0)
    return left


def adopt_who_let_in(book: AdoptionBook, budget: LoginBudget, cameras: Sequence[Camera], now: float) -> None:
    """A version before this one kept no adoptions: whoever let a login in then is adopted, as of the first run.

    Not as by a person: nobody looked at these devices, and one that had the login for pretending to be a camera must
    not be given the password in clear by an upgrade.
    """
    for camera in cameras:
        if budget.ever_accepted(candidate_of(camera)):
            mac = camera.mac.text if camera.mac is not None else ""
            shown = Identity(mac=mac, address=camera.address)
            book.keep(camera.device_id, AdoptionRecord.of(Adoption.FIRST_RUN, now, shown))


def make_first_run_watch(
    clock: Any, config: Config, registry: Registry, book: AdoptionBook, methods: Sequence[str]
) -> FirstRunWatch:
    """The watch that ends the first run, not started yet; it wants all events.

    :param methods: names of the methods that sweep.
    """
    return FirstRunWatch(
        clock,
        methods,
        rounds=config.discovery.initial_count if config.discovery.smart_enabled else 1,
        end=book.end_first_run,
        adopted=lambda: registry.fleet.adopted,
    )


def candidate_of(camera: Camera) -> Candidate:
    """The device of a camera, as far as the camera tells."""
    return Candidate(camera.device_id, camera.address, mac=camera.mac, endpoint_reference=camera.endpoint_reference)
