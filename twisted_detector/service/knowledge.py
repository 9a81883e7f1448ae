"""Second stage: what is known of devices and cameras, which logins may be tried, and the bus that tells of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThreadPool

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.inspection.device_access import DeviceAccess
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Camera, Candidate, EvidenceKind
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IHistory, ILoginBudget
from twisted_detector.service.adoption import make_adoption_book
from twisted_detector.service.ground import Ground
from twisted_detector.service.plugin_assembly import Offers
from twisted_detector.service.settings import freeze_detector, missed_limit
from twisted_detector.store.history import CameraHistory
from twisted_detector.store.store import Store
from twisted_detector.wire.soap.xml import load_parser


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The registry with what it is told by, decides by, and tells.

    :ivar adoption: whose owner vouches for it.
    :ivar access: rules of all that asks a device; ``budget`` is its login budget.
    :ivar dialects: how each device wants to be searched for.
    :ivar history: of the cameras' states; not started yet.
    """

    bus: Bus
    registry: Registry
    adoption: AdoptionBook
    observations: ObservationLog
    budget: LoginBudget
    access: DeviceAccess
    validator: RtspValidator
    freeze_detector: FreezeDetector
    dialects: Dialects
    history: CameraHistory

    @property
    def offers(self) -> Offers:
        """What plugins may need of it."""
        return {
            Bus: self.bus,
            Registry: self.registry,
            ObservationLog: self.observations,
            ILoginBudget: self.budget,
            LoginBudget: self.budget,
            DeviceAccess: self.access,
            RtspValidator: self.validator,
            FreezeDetector: self.freeze_detector,
            Dialects: self.dialects,
            IHistory: self.history,
        }


async def make_knowledge(reactor: Any, config: Config, ground: Ground) -> Knowledge:
    """What is known, with what an earlier run left of it but the cameras (:func:`known_before`)."""
    store, bus = ground.store, Bus()
    budget = await _make_budget(reactor, config, store)
    adoption = await make_adoption_book(config, store)
    dialects = Dialects(lambda reference, names: store.save_value("dialects", reference, names))
    dialects.restore(await store.load_values("dialects"))
    freezes = freeze_detector(config)
    observations = ObservationLog()
    bus.subscribe(observations)
    registry = Registry(
        bus.emit,
        missed_limit=missed_limit(config),
        freeze_detector=freezes,
        adoption=adoption,
        new_cameras_per_hour=config.discovery.max_new_cameras_per_hour,
    )
    clear_text = ClearTextPolicy(
        config.inspection.allow_basic_auth,
        confirmed=config.confirmed_networks,
        neighbours=ground.neighbours.known if config.discovery.mac_tracking_enabled else dict,
        candidates_at=partial(candidates_at, registry),
        took_digest=budget.took_digest,
    )
    access = DeviceAccess(DeviceLocks(), clear_text, budget)
    return Knowledge(
        bus=bus,
        registry=registry,
        adoption=adoption,
        observations=observations,
        budget=budget,
        access=access,
        validator=RtspValidator(
            reactor,
            timeout=config.inspection.rtsp_timeout,
            allow_basic=clear_text.allows,
            device_locks=access.locks,
        ),
        freeze_detector=freezes,
        dialects=dialects,
        history=CameraHistory(reactor, store),
    )


async def _make_budget(reactor: Any, config: Config, store: Store) -> LoginBudget:
    budget = LoginBudget(
        config.inspection.credentials,
        confirmed=config.confirmed_networks,
        salt=await _salt(store),
        save=lambda key, text: store.save_value("login_budget", key, text),
        kept=lambda: not store.degraded,
        uptime=_uptime(),
        boot=_boot_id(),
    )
    # Each takes some 50 ms of a core, and the reactor has other things to do meanwhile.
    await budget.prepare(partial(deferToThreadPool, reactor, reactor.getThreadPool()))
    budget.restore(await store.load_values("login_budget"))
    return budget


async def known_before(config: Config, store: Store) -> Sequence[Camera]:
    """The cameras of an earlier run; without what was seen at layer 2 when that is not to be used."""
    cameras = await store.load_cameras()
    return cameras if config.discovery.mac_tracking_enabled else without_macs(cameras)


def expect_answers(known: Sequence[Camera]) -> None:
    """Load what the answers of cameras are read with, where some are known.

    Else it is loaded in the turn that reads the first of a thousand answers (6 ms, 70 on a busy machine). A daemon that
    knows no camera may never hear one.
    """
    if known:
        load_parser()


def without_macs(cameras: Iterable[Camera]) -> tuple[Camera, ...]:
    """The cameras without what was seen of them at layer 2; their ids stay."""
    seen = (EvidenceKind.MAC, EvidenceKind.SHARED_MAC)
    return tuple(
        replace(one, mac=None, evidence=tuple(item for item in one.evidence if item.kind not in seen))
        for one in cameras
    )


def _uptime() -> Callable[[], float]:
    """Seconds since the machine's start: sleep counts where the kernel tells of it (Linux)."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if boottime is None else partial(time.clock_gettime, boottime)


def _boot_id() -> str:
    """What the kernel calls the machine's present start, "" where it does not say (Linux does)."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


async def _salt(store: Store) -> str:
    """The salt of the fingerprints of logins, another in each installation; made once."""
    saved: Mapping[str, str] = await store.load_values("salt")
    salt = saved.get("login_budget") or secrets.token_hex(16)
    if "login_budget" not in saved:
        store.save_value("salt", "login_budget", salt)
    return salt


def candidates_at(registry: Registry, address: str) -> Sequence[Candidate]:
    """The devices at ``address``."""
    return tuple(registry.candidate(key) for key in registry.keys_at(address))
