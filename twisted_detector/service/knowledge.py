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
from txaio.tx import make_logger

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.inspection.device_access import DeviceAccess
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.logins.fingerprints import Fingerprints
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Camera, Candidate, EvidenceKind
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.followers import IdentityFollower
from twisted_detector.operations.decisions.streams import GivenStreams
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IHistory, ILoginBudget
from twisted_detector.service.adoption import make_adoption_book
from twisted_detector.service.extensions.assembly import Offers
from twisted_detector.service.ground import Ground
from twisted_detector.service.settings import freeze_detector, missed_limit
from twisted_detector.store.history import CameraHistory
from twisted_detector.store.store import Store
from twisted_detector.wire.soap.xml import load_parser
from twisted_detector.wire.vendors.catalog import PROTOCOLS

_log = make_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The registry with what it is told by, decides by, and tells.

    :ivar adoption: whose owner vouches for it.
    :ivar access: rules of all that asks a device; ``budget`` is its login budget.
    :ivar dialects: how each device wants to be searched for.
    :ivar history: of the cameras' states; not started yet.
    :ivar decisions: what people decided; ``given_streams``: of it, where cameras have their streams.
    :ivar logins: all that are there now.
    :ivar networks: that are searched.
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
    decisions: DecisionBook
    given_streams: GivenStreams
    networks: SiteNetworks
    logins: ConfiguredLogins

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
            DecisionBook: self.decisions,
            ConfiguredLogins: self.logins,
            SiteNetworks: self.networks,
        }


async def make_knowledge(reactor: Any, config: Config, ground: Ground) -> Knowledge:
    """What is known, with what an earlier run left of it but the cameras (:func:`known_before`)."""
    store, bus = ground.store, Bus()
    decisions = DecisionBook(config.state_dir, in_thread=partial(deferToThreadPool, reactor, reactor.getThreadPool()))
    await decisions.load()
    for fault in decisions.faults:
        _log.warn("{fault}", fault=fault)
    bus.subscribe(IdentityFollower(decisions))
    networks = SiteNetworks(ground.running, decisions)
    salt = await _salt(store)
    logins = await _make_logins(reactor, ground, decisions, salt)
    budget = await _make_budget(logins, store, networks, salt)
    adoption = await make_adoption_book(config, store, networks, logins)
    dialects = Dialects(lambda reference, names: store.save_value("dialects", reference, names))
    dialects.restore(await store.load_values("dialects"))
    freezes = freeze_detector(config)
    observations = ObservationLog(forgeable=[one.name for one in PROTOCOLS])
    bus.subscribe(observations)
    registry = Registry(
        bus.emit,
        missed_limit=missed_limit(config),
        freeze_detector=freezes,
        adoption=adoption,
        new_cameras_per_hour=config.discovery.max_new_cameras_per_hour,
        description_of=lambda camera_id: decisions.current.of(camera_id).description,
    )
    for listing in (networks.confirmed_changed, logins.lists_changed):
        listing.add(lambda: registry.update_listed(reactor.seconds()))
    clear_text = ClearTextPolicy(
        config.inspection.allow_basic_auth,
        confirmed=networks.confirmed,
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
        decisions=decisions,
        given_streams=GivenStreams(decisions),
        networks=networks,
        logins=logins,
    )


async def _make_logins(reactor: Any, ground: Ground, decisions: DecisionBook, salt: str) -> ConfiguredLogins:
    """The logins, which follow the configuration and the decisions."""
    fingerprints = Fingerprints(salt)
    # Each fingerprint takes some 50 ms of a core, and the reactor has other things to do meanwhile.
    logins = ConfiguredLogins(
        ground.running.current.inspection.credentials,
        decided=decisions.current,
        source=login_source(ground.running.current),
        prepare=lambda login: deferToThreadPool(reactor, reactor.getThreadPool(), fingerprints.of, login),
    )
    await logins.prepare_first()
    decisions.changed.add(logins.replace_decided)

    def reloaded(_: Config, config: Config) -> None:
        logins.replace_configured(config.inspection.credentials, login_source(config))

    ground.running.changed.add(reloaded)
    return logins


def login_source(config: Config) -> str:
    """Where the configuration's logins are from: ``environment``, or ``file`` (of settings, or of logins)."""
    sources = config.sources
    source = sources.get("camera_credentials") or sources.get("camera_username") or "environment"
    return "environment" if source == "environment" else "file"


async def _make_budget(logins: ConfiguredLogins, store: Store, networks: SiteNetworks, salt: str) -> LoginBudget:
    budget = LoginBudget(
        logins,
        confirmed=networks.confirmed,
        salt=salt,
        save=lambda key, text: store.save_value("login_budget", key, text),
        kept=lambda: not store.degraded,
        uptime=uptime(),
        boot=_boot_id(),
    )
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


def uptime() -> Callable[[], float]:
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
