"""An open store and the kernel's tables go in; the parts that know come out: bus, registry, login budget, and more."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from twisted_detector.bus import Bus
from twisted_detector.casebook import Casebook
from twisted_detector.config import Config
from twisted_detector.discovery.dialects import Dialects
from twisted_detector.frozen import Stills
from twisted_detector.inspection.clear_text import ClearTextPolicy
from twisted_detector.inspection.credentials import LoginBudget
from twisted_detector.inspection.lanes import Lanes
from twisted_detector.inspection.login_rules import is_listed
from twisted_detector.interfaces import ILoginBudget, INeighbours, IStateStore
from twisted_detector.model import Login
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry import Registry
from twisted_detector.service_settings import missed_limit, stills
from twisted_detector.store import Store


async def make_knowledge(config: Config, store: Store, neighbours: INeighbours, bus: Bus) -> dict[Any, Any]:
    """The shared parts by interface or class, as plugins get them.

    The dict grows while the daemon is made: whoever is made later may use what was made before, and service extensions
    everything.
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
    casebook = Casebook()
    bus.subscribe(casebook)
    registry = Registry(bus.emit, missed_limit=missed_limit(config), stills=frozen)
    return {
        Bus: bus,
        Casebook: casebook,
        ClearTextPolicy: ClearTextPolicy(
            config.allow_basic_auth,
            confirmed=config.confirmed_networks,
            neighbours=neighbours.known,
            identified=partial(is_identified, registry, config.camera_credentials),
        ),
        Dialects: dialects,
        ILoginBudget: budget,
        INeighbours: neighbours,
        IStateStore: store,
        Lanes: Lanes(),
        Registry: registry,
        Stills: frozen,
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
