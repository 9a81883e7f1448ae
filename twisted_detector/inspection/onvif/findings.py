"""Findings of one interview, and the Inspection with its evidence that they make.

Nothing is judged here: a serial number that all units of a model share is reported like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted_detector.errors import RemoteError
from twisted_detector.inspection.onvif.clock import DeviceClock
from twisted_detector.model import Candidate, Evidence, EvidenceKind, Inspection, Mac, Status, Stream
from twisted_detector.model.bounds import MAX_URL
from twisted_detector.model.cameras import WSS_CAPABILITY
from twisted_detector.wire.http.device_url import device_url
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.onvif.scopes import read_scopes

#: The inspector's name, and the source of its evidence.
NAME = "onvif"


class Findings:
    """Accumulator of one interview; each field is set by the call that answers it."""

    def __init__(self, candidate: Candidate) -> None:
        self._address = candidate.address
        self.scopes: tuple[str, ...] = candidate.scopes
        self.services: Mapping[str, str] = {}
        self.endpoint_reference = ""
        self.hostname = ""
        self.certificate = ""
        self.clock = DeviceClock()
        self.information = onvif.DeviceInformation()
        self.interfaces: tuple[onvif.NetworkInterface, ...] = ()
        self.streams: list[Stream] = []
        self.snapshots: dict[str, str] = {}
        self.status = Status.ONLINE
        self.reason = ""
        self.doubted = False
        self.takes_token = False

    def add_stream(self, profile: onvif.Profile, uri: str) -> None:
        """Add a profile with its URL as the device gave it; one that is no RTSP URL is left out."""
        try:
            url = device_url(uri, self._address, schemes=("rtsp", "rtsps"), base="rtsp://device/")
        except RemoteError:
            return
        self.streams.append(
            Stream(
                # One that is too long is left out later, with a word about it; a device may name 256 of 2 kB.
                url=url[: MAX_URL + 1],
                name=profile.name or profile.token,
                profile=profile.token,
                source=profile.source,
                codec=profile.codec,
                width=profile.width,
                height=profile.height,
                fps=profile.fps,
                audio=profile.audio,
            )
        )

    def add_snapshot(self, source: str, uri: str, *, base: str) -> None:
        """Add the snapshot URL of one source as given at ``base``; one that is no HTTP URL is left out."""
        try:
            self.snapshots[source] = device_url(uri, self._address, base=base)
        except RemoteError:
            return

    def to_inspection(self, *, at: float, entry: str, login: str) -> Inspection:
        """All findings.

        :param entry: address of the device service that answered.
        :param login: name of the login that was accepted, or "".
        """
        scopes = read_scopes(self.scopes)
        information = self.information
        return Inspection(
            inspector=NAME,
            address=self._address,
            at=at,
            name=scopes.name or self.hostname,
            name_source="scope" if scopes.name else "hostname" if self.hostname else "",
            manufacturer=information.manufacturer or scopes.manufacturer,
            model=information.model or scopes.hardware,
            firmware_version=information.firmware_version,
            serial_number=information.serial_number or scopes.serial_number,
            hardware_id=information.hardware_id,
            onvif_url=entry,
            http_url="/".join(entry.split("/")[:3]) + "/",
            snapshot_url=next(iter(self.snapshots.values()), ""),
            snapshots=tuple(self.snapshots.items()),
            streams=tuple(self.streams),
            capabilities=(
                *(word for space, word in onvif.CAPABILITY_WORDS.items() if space in self.services),
                *((WSS_CAPABILITY,) if self.takes_token else ()),
            ),
            evidence=self._evidence(at),
            clock_offset=None
            if (self.clock.reported, self.clock.by_date_header) == (None, None)
            else self.clock.offset,
            status=self.status,
            reason=self.reason,
            login=login,
            doubted=self.doubted,
        )

    def _evidence(self, at: float) -> tuple[Evidence, ...]:
        said: list[tuple[EvidenceKind, str]] = [(EvidenceKind.ENDPOINT_REFERENCE, self.endpoint_reference)]
        scopes = read_scopes(self.scopes)
        if scopes.mac is not None:
            said.append((EvidenceKind.SCOPE_MAC, scopes.mac.text))
        said.append((EvidenceKind.SERIAL, self.information.serial_number or scopes.serial_number))
        for interface in self.interfaces:
            try:
                said.append((EvidenceKind.HARDWARE_ADDRESS, Mac.parse(interface.hardware_address).text))
            except RemoteError:
                continue  # 00:00:00:00:00:00 and the like identify nobody
        said.append((EvidenceKind.CERTIFICATE, self.certificate))
        return tuple(Evidence(kind, value, NAME, at) for kind, value in dict.fromkeys(said) if value)
