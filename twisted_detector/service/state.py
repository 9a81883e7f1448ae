"""An open store and the kernel's tables go in; the parts that know come out: bus, registry, login budget, and more."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.discovery.neighbours.table import LOOKUP_PACKETS, KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Camera, Login
from twisted_detector.model.addresses import Exclusions
from twisted_detector.model.login_rules import is_listed
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry.frozen import FreezeDetector
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget, IStateStore
from twisted_detector.service.settings import missed_limit, stills, without_macs
from twisted_detector.store.store import Store


def make_neighbours(reactor: Any, config: Config) -> tuple[KernelNeighbours, Mapping[Any, Any]]:
    """The kernel's tables, not started yet, and what keeps all that looks within bounds: Pacer and Exclusions."""
    pacer = PacketRateLimiter(config.scan_rate, time.monotonic, reactor)
    exclusions = Exclusions(config.scan_exclude)
    neighbours = KernelNeighbours(
        reactor,
        excluded=exclusions.__contains__,
        turn=partial(pacer.turn, by="neighbours.lookup", packets=LOOKUP_PACKETS),
    )
    return neighbours, {PacketRateLimiter: pacer, Exclusions: exclusions}


async def known_before(config: Config, store: Store) -> Sequence[Camera]:
    """The cameras of an earlier run; without what was seen at layer 2 when that is not to be used."""
    cameras = await store.load_cameras()
    return cameras if config.mac_tracking_enabled else without_macs(cameras)


async def make_knowledge(
    config: Config, store: Store, neighbours: INeighbours, bus: Bus, politeness: Mapping[Any, Any]
) -> dict[Any, Any]:
    """The shared parts by interface or class, as plugins get them.

    The dict grows while the daemon is made: whoever is made later may use what was made before, and service extensions
    everything.

    :param politeness: of :func:`make_neighbours`.
    """
    budget = LoginBudget(
        config.camera_credentials,
        confirmed=config.confirmed_networks,
        salt=await _salt(store),
        save=lambda key, text: store.save_value("login_budget", key, text),
        kept=lambda: not store.degraded,
    )
    budget.restore(await store.load_values("login_budget"))
    dialects = Dialects(lambda reference, names: store.save_value("dialects", reference, names))
    dialects.restore(await store.load_values("dialects"))
    frozen = stills(config)
    casebook = ObservationLog()
    bus.subscribe(casebook)
    registry = Registry(bus.emit, missed_limit=missed_limit(config), stills=frozen)
    return {
        **politeness,
        Bus: bus,
        ObservationLog: casebook,
        ClearTextPolicy: ClearTextPolicy(
            config.allow_basic_auth,
            confirmed=config.confirmed_networks,
            neighbours=neighbours.known if config.mac_tracking_enabled else dict,
            identified=partial(is_identified, registry, config.camera_credentials),
        ),
        Dialects: dialects,
        ILoginBudget: budget,
        INeighbours: neighbours,
        IStateStore: store,
        DeviceLocks: DeviceLocks(),
        Registry: registry,
        FreezeDetector: frozen,
        Store: store,
        Topics: Topics(prefix=config.mqtt_topic_prefix, node_id=config.node_id),
    }


async def _salt(store: Store) -> str:
    """What makes the fingerprints of logins differ between installations; made once."""
    saved: Mapping[str, str] = await store.load_values("salt")
    salt = saved.get("login_budget") or secrets.token_hex(16)
    if "login_budget" not in saved:
        store.save_value("salt", "login_budget", salt)
    return salt


def is_identified(registry: Registry, logins: Sequence[Login], address: str) -> bool:
    """Whether the device at ``address`` was published before, or has logins of its own in the configuration."""
    key = registry.key_at(address)
    return key is not None and (bool(registry.cameras_of(key)) or is_listed(logins, registry.candidate(key)))
