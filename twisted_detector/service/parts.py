"""Builder of the parts that others share: the kernel's tables, registry, login budget, policies."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThreadPool

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.discovery.neighbours.table import LOOKUP_PACKETS, KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.interfaces import INeighbours, Parts
from twisted_detector.model import Camera, Candidate, EvidenceKind
from twisted_detector.model.addresses import Exclusions
from twisted_detector.outputs.homeassistant.deletions import Deletions
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget, IStateStore
from twisted_detector.service.adoption import make_adoption_book
from twisted_detector.service.settings import freeze_detector, missed_limit
from twisted_detector.store.store import Store


def make_neighbours(reactor: Any, config: Config) -> tuple[KernelNeighbours, Mapping[Any, Any]]:
    """The kernel's tables, not started yet, and the limits of all that is sent: PacketRateLimiter and Exclusions."""
    rate_limiter = PacketRateLimiter(config.discovery.scan_rate, time.monotonic, reactor)
    exclusions = Exclusions(config.discovery.scan_exclude)
    neighbours = KernelNeighbours(
        reactor,
        excluded=exclusions.__contains__,
        acquire=partial(rate_limiter.acquire, by="neighbours.lookup", packets=LOOKUP_PACKETS),
    )
    return neighbours, {PacketRateLimiter: rate_limiter, Exclusions: exclusions}


async def known_before(config: Config, store: Store) -> Sequence[Camera]:
    """The cameras of an earlier run; without what was seen at layer 2 when that is not to be used."""
    cameras = await store.load_cameras()
    return cameras if config.discovery.mac_tracking_enabled else without_macs(cameras)


def without_macs(cameras: Iterable[Camera]) -> tuple[Camera, ...]:
    """The cameras without what was seen of them at layer 2; their ids stay."""
    seen = (EvidenceKind.MAC, EvidenceKind.SHARED_MAC)
    return tuple(
        replace(one, mac=None, evidence=tuple(item for item in one.evidence if item.kind not in seen))
        for one in cameras
    )


async def make_parts(
    reactor: Any, config: Config, store: Store, neighbours: INeighbours, bus: Bus, *, limits: Mapping[Any, Any]
) -> Parts:
    """The shared parts by interface or class, as plugins get them.

    More are added while the daemon is made: each maker may use the parts that were made before it, service extensions
    all.

    :param limits: of :func:`make_neighbours`.
    """
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
    adoption = await make_adoption_book(config, store)
    dialects = Dialects(lambda reference, names: store.save_value("dialects", reference, names))
    dialects.restore(await store.load_values("dialects"))
    deletions = Deletions(partial(store.save_value, "homeassistant_deleted"))
    deletions.restore(await store.load_values("homeassistant_deleted"))
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
    locks = DeviceLocks()
    clear_text = ClearTextPolicy(
        config.inspection.allow_basic_auth,
        confirmed=config.confirmed_networks,
        neighbours=neighbours.known if config.discovery.mac_tracking_enabled else dict,
        candidates_at=partial(candidates_at, registry),
        took_digest=budget.took_digest,
    )
    return Parts(
        {
            **limits,
            AdoptionBook: adoption,
            Bus: bus,
            ObservationLog: observations,
            ClearTextPolicy: clear_text,
            Deletions: deletions,
            Dialects: dialects,
            ILoginBudget: budget,
            LoginBudget: budget,
            INeighbours: neighbours,
            IStateStore: store,
            DeviceLocks: locks,
            RtspValidator: RtspValidator(
                reactor, timeout=config.inspection.rtsp_timeout, allow_basic=clear_text.allows, device_locks=locks
            ),
            Registry: registry,
            FreezeDetector: freezes,
            Store: store,
            Topics: Topics(prefix=config.mqtt.topic_prefix, node_id=config.node_id),
        }
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
