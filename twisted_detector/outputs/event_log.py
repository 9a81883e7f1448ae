"""Events go in; one line of the log for each comes out, for the person who watches the daemon work."""

from __future__ import annotations

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import (
    CameraDiscovered,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraOnline,
    CameraRestored,
    CameraTrouble,
    ClockSkewed,
    CredentialRefused,
    DevicesMerged,
    DeviceSplit,
    Event,
    IdentityConflict,
    SweepFinished,
)
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Stream


@implementer(IEventListener)
class EventLog:
    """Tells what happened in plain words. No login is ever part of it."""

    log = make_logger()

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraOnline):
            self.log.info("{camera} is online: {streams}", camera=_name(event.camera), streams=_streams(event.camera))
        elif isinstance(event, CameraDiscovered):
            self.log.info(
                "Found {camera} at {address} by {methods}",
                camera=_name(event.camera),
                address=event.camera.address,
                methods=", ".join(event.camera.methods),
            )
        elif isinstance(event, CameraMoved):
            self.log.info(
                "{camera} moved from {old} to {new}",
                camera=_name(event.camera),
                old=event.old_address,
                new=event.new_address,
            )
        elif isinstance(event, CameraOffline | CameraTrouble):
            self.log.warn(
                "{camera} at {address}: {status}, {reason}",
                camera=_name(event.camera),
                address=event.camera.address,
                status=event.camera.status.value,
                reason=event.reason or "no reason given",
            )
        else:
            self._rarely(event)

    def _rarely(self, event: Event) -> None:
        if isinstance(event, CredentialRefused):
            self.log.warn(
                "{camera} at {address} refused {logins}: {reason}",
                camera=_name(event.camera),
                address=event.camera.address,
                logins=", ".join(event.logins),
                reason=event.reason,
            )
        elif isinstance(event, ClockSkewed):
            self.log.warn(
                "The clock of {camera} is {offset:+.0f} s off ours", camera=_name(event.camera), offset=event.offset
            )
        elif isinstance(event, IdentityConflict):
            self.log.warn(
                "{camera} and {other} both claim {kind} {value}: it is believed of neither",
                camera=_name(event.camera),
                other=event.other_device_id,
                kind=event.kind,
                value=event.value,
            )
        elif isinstance(event, DevicesMerged):
            self.log.warn(
                "{camera} and {other} are one device: {reason}",
                camera=_name(event.camera),
                other=event.merged_device_id or "a device that was not published",
                reason=event.reason,
            )
        elif isinstance(event, DeviceSplit):
            self.log.warn(
                "{camera} was two devices, the other is {other}: {reason}",
                camera=_name(event.camera),
                other=event.other_device_id,
                reason=event.reason,
            )
        elif isinstance(event, CameraForgotten):
            self.log.info("{camera} is forgotten", camera=_name(event.camera))
        elif isinstance(event, CameraRestored):
            self.log.debug("{camera} is known from before", camera=_name(event.camera))
        elif isinstance(event, SweepFinished):
            self.log.debug(
                "Sweep by {method}: {sightings} sightings in {duration:.2f} s",
                method=event.method,
                sightings=event.sightings,
                duration=event.duration,
            )


def _name(camera: Camera) -> str:
    words = [camera.id]
    if camera.name or camera.model:
        words.append(f"({camera.name or camera.model})")
    return " ".join(words)


def _streams(camera: Camera) -> str:
    return "; ".join(_stream(stream) for stream in camera.streams if stream.validated) or "no stream"


def _stream(stream: Stream) -> str:
    size = f" {stream.width}x{stream.height}" if stream.width else ""
    rate = f" {stream.fps:g} fps" if stream.fps else ""
    return f"{stream.codec}{size}{rate} {stream.url}"
