"""Audit of a registry: what it keeps beside its devices is computed anew from them, and each event held against it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from twisted_detector.events import CameraDiscovered, CameraEvent, CameraForgotten, CameraRestored, Event
from twisted_detector.model import Adoption, Camera
from twisted_detector.registry.quotas import network_of
from twisted_detector.registry.registry import Registry


class Violation(AssertionError):
    """Two living devices are one, or one is two; or the registry contradicts itself."""


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Violation(f"{what}: {found}, which should be {wanted}")


class Auditor:
    """Watches a registry, and the registries that follow it when the daemon is started again.

    :ivar by_person: ids of devices that a person adopted.
    :ivar automatic: (from, to): when devices were adopted by themselves.
    """

    def __init__(self) -> None:
        self.by_person: set[str] = set()
        self.automatic: list[tuple[float, float]] = []
        self._keys: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._told: dict[str, Camera] = {}
        self._forgotten: set[str] = set()

    def restarted(self) -> None:
        """Another registry takes over what was saved."""
        self._keys.clear()
        self._ids.clear()

    def heard(self, registry: Registry, event: Event) -> None:
        """An event, when it is emitted: what caused it is complete by then, other events of it may follow."""
        if not isinstance(event, CameraEvent):
            return
        camera = event.camera
        if isinstance(event, CameraForgotten):
            self._forgotten.add(camera.id)
            self._keys.pop(camera.id, None)
            self._told.pop(camera.id, None)
            return
        if isinstance(event, CameraDiscovered | CameraRestored):
            self._forgotten.discard(camera.id)
        if camera.id in self._forgotten:
            raise Violation(f"{type(event).__name__} of {camera.id}, which was forgotten")
        key = registry.key_of_camera(camera.id)
        if key is not None:  # else it is forgotten, as the next events tell
            expect(f"the device of {camera.id}", self._keys.setdefault(camera.id, key), key)
            expect(f"the id of device {key}", self._ids.setdefault(key, camera.device_id), camera.device_id)
        self._told[camera.id] = camera
        was = isinstance(event, CameraRestored)  # as an earlier run saved it; what was decided since follows
        if camera.adopted is Adoption.PERSON and not was and camera.device_id not in self.by_person:
            raise Violation(f"{camera.id} is adopted, and nobody adopted it")

    # --- what is kept, from what is there ---------------------------------------------------------------------------

    def check(self, registry: Registry) -> None:
        """The registry between two calls."""
        devices = registry._devices
        cameras = {camera.id: (key, camera) for key, device in devices.items() for camera in device.cameras}
        expect("cameras that were told of", self._told.keys(), cameras.keys())
        expect("key_of_camera", registry._table.key_of_camera, {one: key for one, (key, _) in cameras.items()})
        expect("count", registry.fleet.total, len(cameras))
        expect("cameras", len(registry.cameras()), len(cameras))
        for key, device in devices.items():
            for camera in device.cameras:
                expect(f"device of {camera.id}", camera.device_id, device.id)
                expect(f"address of {camera.id}", camera.address, device.facts.address)
                expect(f"{camera.id} as it was told last", *map(_lasting, (self._told[camera.id], camera)))
                expect(f"adoption of {camera.id}", camera.adopted, device.facts.adoption)
            expect(f"cameras of {device.id or key}", bool(len(device.cameras)), bool(device.id))
        self._check_adopted(registry)
        self._check_blocked(registry)
        self._check_index(registry)
        self._check_quotas(registry)
        book = registry._adopter.book
        records = {one.id: one.adoption_record for one in devices.values() if one.id and one.adoption_record}
        expect("saved decisions", dict(book._saved), records)
        published = [device.id for device in devices.values() if device.id]
        expect("ids", registry._table._ids, set(published))
        expect("ids, each once", len(published), len(set(published)))
        withheld = registry._publisher._withheld
        expect("withheld devices that are published", {key for key in withheld if devices[key].id}, set())

    @staticmethod
    def _check_fleet(registry: Registry) -> None:
        cameras, fleet = registry.cameras(), registry.fleet
        expect("how many cameras", fleet.total, len(cameras))
        expect("by status", dict(fleet.by_status), dict(Counter(camera.status.value for camera in cameras)))
        expect("how many are adopted", fleet.adopted, sum(camera.adopted.is_adopted for camera in cameras))

    def _check_adopted(self, registry: Registry) -> None:
        for key, device in registry._devices.items():
            record = device.adoption_record
            if record is None or not record.adoption.is_adopted or not device.id:
                continue
            expect(f"what speaks against the adoption of {device.id}", record.difference(device.identity), "")
            by_itself = record.adoption is not Adoption.PERSON
            if by_itself and not any(since <= record.at <= until for since, until in self.automatic):
                raise Violation(f"{device.id or key} adopted itself at {record.at}")

    def _check_blocked(self, registry: Registry) -> None:
        book = registry._adopter.book
        for key, device in registry._devices.items():
            mac = device.facts.mac.text if device.facts.mac is not None else ""
            if book.is_blocked(mac=mac, reference=device.identity.reference):
                raise Violation(f"{device.id or key} at {device.facts.address} is blocked, and is known")

    def _check_index(self, registry: Registry) -> None:
        index = registry._index
        devices = registry._devices.keys()
        holders: dict[object, set[int]] = {}
        for key, claims in index._claims.items():
            for claim in claims:
                holders.setdefault(claim, set()).add(key)
        expect("claimants", {claim: set(keys) for claim, keys in index._holders.items()}, holders)
        expect("claims in turn", index._turns.keys(), {claim for claim, keys in holders.items() if len(keys) > 1})
        expect("discredited claims that nobody makes", index.discredited - holders.keys(), set())
        expect("conflicts of claims that nobody makes", registry._merger._reported - holders.keys(), set())
        at: dict[str, set[int]] = {}
        for key, addresses in index._addresses_of.items():
            for address in addresses:
                at.setdefault(address, set()).add(key)
        expect("devices by address", {address: set(keys) for address, keys in index._devices_at.items()}, at)
        for address, keys in at.items():
            expect(f"devices at {address}", set(registry.keys_at(address)), keys)
        for what in (index._claims, index._addresses_of, index._services):
            expect("indexed devices that are gone", what.keys() - devices, set())

    def _check_quotas(self, registry: Registry) -> None:
        quotas, devices = registry._table._quotas, registry._devices
        expect("counted devices", quotas._members.keys(), devices.keys())
        hosts: dict[str, set[int]] = {}
        for key, member in quotas._members.items():
            address = devices[key].facts.address
            expect(f"place of device {key}", (member.address, member.network), (address, network_of(address)))
            for host in member.hosts:
                hosts.setdefault(host, set()).add(key)
        expect("devices by host", {host: set(keys) for host, keys in quotas._of_host.items()}, hosts)
        expect("sizes of networks", quotas._of_network, Counter(one.network for one in quotas._members.values()))
        unpublished = {key for key, device in devices.items() if not device.id}
        expect("unpublished devices", set(quotas._unpublished.get("", ())), unpublished)
        unproved = set(quotas._unproved.get("", ()))
        wanted = {key for key, device in devices.items() if device.id and not device.is_established}
        expect("unproved devices that are not counted", wanted - unproved, set())
        for table, keys in ((quotas._unpublished, unpublished), (quotas._unproved, unproved)):
            by_network: dict[str, set[int]] = {"": set(keys)} if keys else {}
            for key in keys:
                by_network.setdefault(quotas._members[key].network, set()).add(key)
            expect("devices by network", {name: set(found) for name, found in table.items()}, by_network)


def _lasting(camera: Camera) -> Camera:
    """A camera without what changes silently: each document carries it as it is then."""
    return replace(camera, last_seen=0.0, last_validated=0.0, methods=(), evidence=())
