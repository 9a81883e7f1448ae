"""Channels of one device: the streams of an inspection go in, which of its cameras each is of comes out."""

from __future__ import annotations

from collections.abc import Iterable

from twisted_detector.model import Camera, Stream

#: Cameras of one device: the largest recorders have 256 channels.
MAX_CHANNELS = 256

Channel = tuple[int, str, tuple[Stream, ...]]


def channel_id(device_id: str, number: int) -> str:
    """The id of one camera of a device."""
    return device_id if number == 1 else f"{device_id}_{number}"


def assign_channels(cameras: Iterable[Camera], streams: Iterable[Stream]) -> list[Channel]:
    """Give every stream to a camera: to a video source token (ONVIF Media, VideoSourceConfiguration.SourceToken).

    The number of a camera, and with it its id, stays the same in whatever order the device lists its sources.

    A source that a camera has is given to it. When none is recognised (new firmware, another protocol than last time),
    or where a camera has no source yet, they are given in order; what is left becomes new cameras.

    :returns: (number, source, streams) with the lowest number first; at most :data:`MAX_CHANNELS`. Without any stream,
        one channel without streams for each camera that there is, or for the first.
    """
    known = {camera.channel: camera for camera in sorted(cameras, key=lambda camera: camera.channel)}
    by_source: dict[str, list[Stream]] = {}
    for stream in streams:
        by_source.setdefault(stream.source, []).append(stream)
    if not by_source:
        return [(number, "", ()) for number in known or (1,)]
    nameless = by_source.pop("", [])
    if nameless:
        # A stream without a source (RTSP alone; a profile with a part left out) belongs to the first camera.
        by_source.setdefault(next(iter(by_source), ""), []).extend(nameless)
    number_of: dict[str, int] = {}
    for number, camera in known.items():
        if camera.source in by_source:
            number_of.setdefault(camera.source, number)
    recognised = bool(number_of)
    free = [
        number
        for number, camera in known.items()
        if number not in number_of.values() and (not recognised or not camera.source)
    ]
    for source in by_source:
        if source not in number_of and free:
            number_of[source] = free.pop(0)
        elif source not in number_of:
            taken = {*known, *number_of.values()}
            unused = [one for one in range(1, MAX_CHANNELS + 1) if one not in taken][:1]
            number_of.update((source, number) for number in unused)
    return sorted((number, source, tuple(by_source[source])) for source, number in number_of.items())
