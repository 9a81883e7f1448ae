"""Name of a camera for people. It never holds an address, for that changes."""

from __future__ import annotations

import re

from twisted_detector.model.cameras import Camera, Status

#: What makers call every camera that leaves the factory, reduced to letters and digits.
_FACTORY_NAMES = {
    "cam", "camera", "camera01", "defaultname", "device", "embeddednetdvr", "ipc", "ipcam", "ipcamera", "ipdome", "nc",
    "netcam", "networkcamera", "networkvideotransmitter", "nvt", "onvif", "onvifcamera", "unknown", "videoencoder",
    "webcam",
}  # fmt: skip
#: What follows a camera's name where its state is told in a sentence.
STATE_WORDS = {
    Status.ONLINE: "is online",
    Status.OFFLINE: "is offline",
    Status.AUTH_REQUIRED: "needs a login",
    Status.STREAM_ERROR: "has no stream that plays",
    Status.BUSY: "is busy",
    Status.SLEEPS: "is asleep",
}
#: Of an id, as on the label of the device: where its id is its MAC, its last four digits.
_DIGITS = 4


def title(camera: Camera) -> str:
    """The name that a person gave it, else its own, else maker and model; never empty.

    Two that left the factory with the same words must differ: such words are followed by the end of the device's id,
    whether there is another one or not, so that a name does not change when a second camera comes.
    """
    if camera.given_name:
        return camera.given_name
    if camera.name and not _is_factory_name(camera):
        return camera.name
    words = camera.name or _maker_and_model(camera) or "Camera"
    return f"{words} {_end_of_id(camera)}"


def title_source(camera: Camera) -> str:
    """What :func:`title` comes from: a ``person``, what the device itself says (``scope``, ``hostname``, ``device``),
    ``model``, and ``id`` when nothing else is known."""
    if camera.given_name:
        return "person"
    if camera.name:
        return camera.name_source or "device"
    return "model" if camera.model or camera.manufacturer else "id"


def _is_factory_name(camera: Camera) -> bool:
    name, model = _letters(camera.name), _letters(camera.model)
    return name in _FACTORY_NAMES or (bool(model) and name in (model, _letters(camera.manufacturer) + model))


def _maker_and_model(camera: Camera) -> str:
    maker, model = camera.manufacturer.strip(), camera.model.strip()
    if maker and model and not _letters(model).startswith(_letters(maker)):
        return f"{maker} {model}"
    return model or (f"{maker} camera" if maker else "")


def _end_of_id(camera: Camera) -> str:
    end = re.sub(r"[^0-9a-z]", "", camera.device_id.lower())[-_DIGITS:].upper() or camera.id
    return end if camera.channel == 1 else f"{end}-{camera.channel}"


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text.casefold())
