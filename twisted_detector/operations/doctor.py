"""The command ``doctor``: checks of the daemon's own parts and of this machine, with advice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from zope.interface import implementer

from twisted_detector.detector.detector import Detector
from twisted_detector.errors import CamdetectError
from twisted_detector.events import ClockSkewed, Event
from twisted_detector.interfaces import IEventListener, INeighbours
from twisted_detector.model import Interface, Status
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.mqtt.seams import ConnectionState
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.host_checks import (
    FAIL,
    OK,
    WARN,
    Finding,
    check_machine,
)
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.outputs.sync.documents import some
from twisted_detector.outputs.sync.seams import ISyncStatus, TargetPhase
from twisted_detector.registry.registry import Registry
from twisted_detector.store.store import Store

#: Cameras whose clock offset is kept: more than one machine has.
_MAX_CLOCKS = 10_000
#: Seconds by which a clock may be off before logins fail (WS-UsernameToken windows of 5 s exist).
_CLOCK_OFF = 5.0
_SYNC_ADVICE = "docs/operations/frigate.md and go2rtc.md say what to do"
_TWIN_ADVICE = (
    "find the second daemon, or the other program with this client id; NODE_ID and MQTT_CLIENT_ID are for one"
)
_BROKER_ADVICE = "look at MQTT_BROKER, MQTT_PORT and the broker's log"
#: Names that are listed in one finding.
_MAX_NAMES = 10


def check_mqtt(mqtt: MqttService, broker: BrokerPlace) -> Finding:
    """The connection to the broker, and which one that is."""
    client = mqtt.client
    where = f"{broker.text}; {broker.note}" if broker.note else broker.text
    if mqtt.state is ConnectionState.CONNECTED:
        if client.warning:
            return Finding("MQTT", WARN, f"connected to {where}; {client.warning}", _TWIN_ADVICE)
        return Finding("MQTT", WARN if broker.advice else OK, f"connected to {where}", broker.advice)
    advice = _TWIN_ADVICE if client.warning else broker.advice or client.advice or _BROKER_ADVICE
    warning = f"; {client.warning}" if client.warning else ""
    return Finding(
        "MQTT",
        FAIL,
        f"{mqtt.state.value} ({where}): {client.reason or 'no attempt has ended yet'}{warning}",
        f"{advice}; messages are kept meanwhile",
    )


@implementer(IEventListener)
class Doctor:
    """Handler of ``doctor``. It is a listener of the bus too, for the clock offsets of cameras.

    :param check_mqtt: the check of the connection to the broker (:func:`check_mqtt`).
    :param sync_status: state of the synchronisation with Frigate and go2rtc; None: there is none.
    :param check_host: the checks of this machine.
    """

    def __init__(
        self,
        *,
        networks: SiteNetworks,
        neighbours: INeighbours,
        check_mqtt: Callable[[], Finding],
        store: Store,
        registry: Registry,
        detector: Detector,
        sync_status: ISyncStatus | None = None,
        check_host: Callable[[Sequence[Interface]], Iterator[Finding]] = check_machine,
    ) -> None:
        self._networks = networks
        self._neighbours = neighbours
        self._check_mqtt = check_mqtt
        self._store = store
        self._registry = registry
        self._detector = detector
        self._sync_status = sync_status
        self._check_host = check_host
        self._clocks: dict[str, float] = {}
        self._more: list[Callable[[], Iterator[Finding]]] = []

    def add_check(self, check: Callable[[], Iterator[Finding]]) -> None:
        """From now on this check is made too."""
        self._more.append(check)

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, ClockSkewed) and (event.camera.id in self._clocks or len(self._clocks) < _MAX_CLOCKS):
            self._clocks[event.camera.id] = event.offset

    async def answer(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """All findings, as JSON values."""
        return {"findings": [asdict(one) for one in await self.examine()]}

    async def examine(self) -> list[Finding]:
        """All checks, in the order in which they should be put right."""
        try:
            interfaces = await self._neighbours.interfaces()
        except CamdetectError as error:
            interfaces = ()
            kernel = [Finding("kernel", FAIL, str(error), "allow AF_NETLINK (systemd: RestrictAddressFamilies=)")]
        else:
            kernel = []
        return [
            *kernel,
            *self._check_host(interfaces),
            self._check_mqtt(),
            self._check_store(),
            *self._check_config(),
            *self._check_sweeps(),
            *self._check_cameras(),
            self._check_clocks(),
            *self._check_sync(),
            *(finding for check in self._more for finding in check()),
        ]

    def _check_store(self) -> Finding:
        if self._store.degraded:
            return Finding(
                "store", FAIL, self._store.degraded, "look at STATE_DIR: its owner, its mode, room on the disk"
            )
        return Finding("store", OK, f"{self._store.path}")

    def _check_config(self) -> Iterator[Finding]:
        config = self._networks.current
        for warning in config.warnings:
            yield Finding("configuration", WARN, warning)
        if not config.warnings:
            yield Finding("configuration", OK, "no warnings")
        if not self._networks.logins:
            wanting = sum(one.status is Status.AUTH_REQUIRED for one in self._registry.cameras())
            if wanting:
                text = f"none is configured, and {wanting} {'camera needs' if wanting == 1 else 'cameras need'} one"
                yield Finding(
                    "logins", WARN, text, "type it on the page or with camdetect login, or set CAMERA_CREDENTIALS"
                )

    def _check_sweeps(self) -> Iterator[Finding]:
        for method, sweep in self._detector.last_sweep.items():
            if sweep.error:
                yield Finding(f"sweep by {method}", WARN, sweep.error)
            else:
                text = f"{sweep.sightings} sightings in {sweep.duration:.1f} s, phase {self._detector.phase}"
                yield Finding(f"sweep by {method}", OK, text)

    def _check_cameras(self) -> Iterator[Finding]:
        cameras = self._registry.cameras()
        online = sum(one.status is Status.ONLINE for one in cameras)
        asleep = sum(one.status is Status.SLEEPS for one in cameras)
        away = [
            f"{one.id} at {one.address} ({one.status.value})"
            for one in cameras
            if one.status not in (Status.ONLINE, Status.SLEEPS)
        ]
        text = f"{online} of {len(cameras)} online{f', {asleep} asleep' if asleep else ''}"
        if away:
            more = f" and {len(away) - _MAX_NAMES} more" if len(away) > _MAX_NAMES else ""
            text += f"; not: {', '.join(away[:_MAX_NAMES])}{more}"
            yield Finding("cameras", WARN, text, "ask for each: camdetect why ADDRESS")
        else:
            yield Finding("cameras", OK, text)

    def _check_clocks(self) -> Finding:
        known = {camera.id for camera in self._registry.cameras()}
        off = {one: by for one, by in self._clocks.items() if one in known and abs(by) > _CLOCK_OFF}
        if not off:
            return Finding("clocks of cameras", OK, "none is off by more than 5 s")
        shown = ", ".join(f"{one} {by:+.0f} s" for one, by in list(off.items())[:_MAX_NAMES])
        return Finding(
            "clocks of cameras", WARN, f"off: {shown}", "set NTP in the cameras: by a wrong clock logins fail"
        )

    def _check_sync(self) -> Iterator[Finding]:
        status = self._sync_status
        for one in status.statuses() if status is not None else ():
            level = WARN if one.phase in (TargetPhase.AWAY, TargetPhase.REFUSED) or one.reason or one.unknown else OK
            text = f"{one.where}: {one.phase}" + (f": {one.reason}" if one.reason else "")
            if one.unknown:
                text += f"; in its list, and not known: {some(one.unknown)}"
            if one.keepers:
                nodes = (f"{count} by {node or 'a node that is away'}" for node, count in sorted(one.keepers.items()))
                text += f"; cameras that are kept there by other nodes: {', '.join(nodes)}"
            yield Finding(one.name, level, text, _SYNC_ADVICE if level == WARN else "")
