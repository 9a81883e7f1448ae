"""Cameras, and a destination without a network, for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from tests.facts import A, stream
from twisted_detector.events import (
    AdoptionChanged,
    CameraAsleep,
    CameraChanged,
    CameraDiscovered,
    CameraEvent,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraOnline,
    CameraTrouble,
    ClockSkewed,
    CredentialAccepted,
    CredentialRefused,
    DevicesMerged,
    DeviceSplit,
    IdentityConflict,
    StreamChanged,
)
from twisted_detector.model import Adoption, Camera, Login, Secret, Status, Stream
from twisted_detector.outputs.sync.merging import merge_section
from twisted_detector.outputs.sync.seams import (
    ALONE,
    DeliveryResult,
    Entries,
    ISharedDestination,
    ISyncDestination,
    MergeResult,
    Sharing,
)

MAIN = Stream("rtsp://10.0.0.9:554/main", "Main", "p0", codec="H265", width=2560, height=1440, fps=20.0)


SUB = Stream("rtsp://10.0.0.9:554/sub", "Sub", "p1", codec="H264", width=640, height=360, fps=15.0)


CAMERA = Camera("024000000001", "024000000001", "10.0.0.9", name="Front door", streams=(MAIN, SUB), last_validated=1.0)


NAME = CAMERA.id


HOME_CAMERA = Camera(
    id="02000000000a",
    device_id="02000000000a",
    address="10.0.0.6",
    mac=A,
    name="Front door",
    manufacturer="Acme",
    model="M1",
    serial_number="77",
    firmware_version="1.2",
    streams=(stream(codec="H264", width=640, height=360),),
    status=Status.ONLINE,
    since=50.0,
    last_seen=100.0,
)


CONFIG = "homeassistant/device/camdetect_02000000000a/config"


NODE_CONFIG = "homeassistant/device/camdetect_node_node1/config"


SEEN = "camera/seen/02000000000a"


TOPIC_CAMERA = Camera(
    id="x",
    device_id="x",
    address="10.0.0.6",
    mac=A,
    streams=(stream(),),
    status=Status.ONLINE,
    since=50.0,
    last_seen=100.0,
)


def entry(address: str = "10.0.0.9", name: str = "Door") -> dict[str, Any]:
    """A block of Frigate's."""
    return {
        "ffmpeg": {
            "inputs": [
                {"path": f"rtsp://{address}/main", "roles": ["record"]},
                {"path": f"rtsp://{address}/sub", "roles": ["detect"]},
            ]
        },
        "detect": {"fps": 5},
        "friendly_name": name,
    }


def merge(document: Any, base: Any, wanted: Any, *, sharing: Sharing = ALONE) -> MergeResult:
    return merge_section("cameras", document, base, wanted, sharing=sharing)


class Tags:
    """Tags that a reader of the tests knows."""

    def tag_login(self, login: Login) -> str:
        return f"{login.name}.{login.password.reveal()}".encode().hex()[-12:]

    def tag_text(self, text: str) -> str:
        return text.encode().hex()[-8:]


TAGS = Tags()


async def at_once(work: Callable[[], DeliveryResult]) -> DeliveryResult:
    return work()


@implementer(ISyncDestination)
class Place:
    """A place that holds what it is given, unless ``script`` has exceptions to raise, or it has a ``result`` to give.

    :ivar held: the entries; ``changes``: how many deliveries changed them.
    """

    def __init__(self, name: str = "place", refresh: float = 0.0) -> None:
        self.name, self.where, self.refresh = name, "somewhere", refresh
        self.script: list[Exception] = []
        self.hangs = False
        self.result: DeliveryResult | None = None
        self.delivered: list[tuple[Any, Any, bool]] = []
        self.held: dict[str, Any] = {}
        self.changes = 0

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISyncDestination`."""
        if self.hangs:
            await Deferred()
        if self.script:
            raise self.script.pop(0)
        self.delivered.append((dict(wanted), dict(base), dry))
        if self.result is not None:
            return self.result
        after = {name: one for name, one in self.held.items() if name not in base} | dict(wanted)
        changed = after != self.held
        if not dry:
            self.held = after
            self.changes += changed
        written = {name: "" if isinstance(one, Secret) else one for name, one in wanted.items()}
        return DeliveryResult(written, changed, diff=("+x",) if dry and changed else ())


@implementer(ISharedDestination)
class SharedPlace(Place):
    """A table of cameras in which several nodes keep their entries.

    :param table: it; :ivar changes: how often we changed it.
    """

    def __init__(self, name: str, table: dict[str, Any], refresh: float = 0.0) -> None:
        super().__init__(name, refresh)
        self.held = table
        self.sharing = ALONE

    def share(self, sharing: Sharing) -> None:
        """See :class:`ISharedDestination`."""
        self.sharing = sharing

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISharedDestination`."""
        merged = merge({"cameras": self.held}, base, wanted, sharing=self.sharing)
        after = merged.document.get("cameras", {})
        changed = after != self.held
        self.delivered.append((dict(wanted), dict(base), dry))
        if not dry:
            self.changes += changed
            self.held.clear()
            self.held.update(after)
        return DeliveryResult(merged.written, changed, left=merged.left, waiting=merged.waiting)


#: Each kind of event of a camera, its name in the contract, and what its message holds beside the camera.
CAMERA_EVENTS: tuple[tuple[CameraEvent, str, dict[str, Any]], ...] = (
    (CameraDiscovered(100.0, TOPIC_CAMERA), "discovered", {}),
    (CameraChanged(100.0, TOPIC_CAMERA), "changed", {}),
    (CameraMoved(100.0, TOPIC_CAMERA, "a", "b"), "moved", {"old_ip": "a", "new_ip": "b"}),
    (CameraOnline(100.0, TOPIC_CAMERA), "online", {}),
    (CameraOffline(100.0, TOPIC_CAMERA, "why"), "offline", {"reason": "why", "reason_code": ""}),
    (CameraTrouble(100.0, TOPIC_CAMERA, "why"), "trouble", {"reason": "why", "reason_code": ""}),
    (CameraAsleep(100.0, replace(TOPIC_CAMERA, code="sleeps"), "why"), "asleep",
     {"reason": "why", "reason_code": "sleeps"}),
    (StreamChanged(100.0, TOPIC_CAMERA, (), ()), "stream_changed", {"old_streams": [], "new_streams": []}),
    (CameraForgotten(100.0, TOPIC_CAMERA), "forgotten", {}),
    (CredentialAccepted(100.0, TOPIC_CAMERA, "admin"), "credential_accepted", {"login": "admin"}),
    (CredentialRefused(100.0, TOPIC_CAMERA, ("a",), "why"), "credential_refused", {"logins": ["a"], "reason": "why"}),
    (ClockSkewed(100.0, TOPIC_CAMERA, 7.00049), "clock_skew", {"offset_s": 7.0}),
    (IdentityConflict(100.0, TOPIC_CAMERA, "epr", "v", "y"), "identity_conflict",
     {"kind": "epr", "value": "v", "other_device_id": "y"}),
    (DevicesMerged(100.0, TOPIC_CAMERA, "y", ("y", "y_2"), "why"), "merged",
     {"merged_device_id": "y", "merged_camera_ids": ["y", "y_2"], "reason": "why"}),
    (
        AdoptionChanged(100.0, TOPIC_CAMERA, Adoption.NO, "another MAC"),
        "adoption_changed",
        {"adopted": "no", "reason": "another MAC"},
    ),
    (DeviceSplit(100.0, TOPIC_CAMERA, "y", "why"), "split", {"other_device_id": "y", "reason": "why"}),
)  # fmt: skip
