"""Log of events: one line for each, for the person who watches the daemon work."""

from __future__ import annotations

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector import events
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Adoption, Camera, Stream
from twisted_detector.model.reasons import NOT_RETRIED


@implementer(IEventListener)
class EventLog:
    """Writes events to the log in plain words. No login is ever part of a line."""

    log = make_logger()

    def handle(self, event: events.Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, events.CameraEvent):
            self._handle_camera(event, _name(event.camera), event.camera.address)
        elif isinstance(event, events.QuotaReached):
            self.log.warn("{text}", text=event.text)
        elif isinstance(event, events.SweepFinished):
            self.log.debug(
                "Sweep by {method}: {sightings} sightings in {duration:.2f} s",
                method=event.method,
                sightings=event.sightings,
                duration=event.duration,
            )

    def _handle_camera(self, event: events.CameraEvent, camera: str, address: str) -> None:
        match event:
            case events.CameraOnline():
                self.log.info("{camera} is online: {streams}", camera=camera, streams=_streams(event.camera))
            case events.CameraDiscovered():
                methods = ", ".join(event.camera.methods)
                self.log.info(
                    "Found {camera} at {address} by {methods}", camera=camera, address=address, methods=methods
                )
            case events.CameraMoved(old_address=old, new_address=new):
                self.log.info("{camera} moved from {old} to {new}", camera=camera, old=old, new=new)
            case events.CameraOffline(reason=reason) | events.CameraTrouble(reason=reason):
                # That a login was refused has been a warning already, with its address (inspection/logins/budget.py).
                write = self.log.info if NOT_RETRIED in reason else self.log.warn
                write(
                    "{camera} at {address}: {status}, {reason}",
                    camera=camera,
                    address=address,
                    status=event.camera.status.value,
                    reason=reason or "no reason given",
                )
            case events.CameraAsleep(reason=reason):
                self.log.info("{camera} at {address}: {reason}", camera=camera, address=address, reason=reason)
            case events.AdoptionChanged(adoption=adoption, reason=reason):
                if adoption.is_adopted:
                    self.log.info("{camera} is adopted: {reason}", camera=camera, reason=reason)
                else:
                    what = "blocked" if adoption is Adoption.BLOCKED else "no longer adopted"
                    self.log.warn("{camera} is {what}: {reason}", camera=camera, what=what, reason=reason)
            case events.CredentialRefused(logins=logins, reason=reason):
                self.log.debug(
                    "{camera} at {address} refused {logins}: {reason}",
                    camera=camera,
                    address=address,
                    logins=", ".join(logins),
                    reason=reason,
                )
            case events.ClockSkewed(offset=offset):
                self.log.warn("The clock of {camera} is {offset:+.0f} s off", camera=camera, offset=offset)
            case events.IdentityConflict(other_device_id=other):
                self.log.warn(
                    "{camera} and {other} both claim {kind} {value}: neither is believed",
                    camera=camera,
                    other=other,
                    kind=event.kind,
                    value=event.value,
                )
            case events.DevicesMerged(merged_device_id=merged, reason=reason):
                other = merged or "a device that was not published"
                self.log.warn(
                    "{camera} and {other} are one device: {reason}", camera=camera, other=other, reason=reason
                )
            case events.DeviceSplit(other_device_id=other, reason=reason):
                text = "{camera} was two devices, the other is {other}: {reason}"
                self.log.warn(text, camera=camera, other=other, reason=reason)
            case events.CameraForgotten():
                self.log.info("{camera} is forgotten", camera=camera)
            case events.CameraRestored():
                self.log.debug("{camera} is known from before", camera=camera)


def _name(camera: Camera) -> str:
    title = camera.called or camera.model
    return f"{camera.id} ({title})" if title else camera.id


def _streams(camera: Camera) -> str:
    return "; ".join(_stream(stream) for stream in camera.streams if stream.validated) or "no stream"


def _stream(stream: Stream) -> str:
    size = f" {stream.width}x{stream.height}" if stream.width else ""
    rate = f" {stream.fps:g} fps" if stream.fps else ""
    return f"{stream.codec}{size}{rate} {stream.url}"
