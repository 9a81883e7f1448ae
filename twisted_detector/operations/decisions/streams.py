"""The command ``stream``, and the lookup of the streams that people gave for cameras."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera, Login
from twisted_detector.model.addresses import canonical_address, masked
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.decisions import CameraDecisions, Decisions, OwnStreams, StreamAddress
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.commands import wanted_camera, wanted_version
from twisted_detector.operations.decisions.document import STAND_IN
from twisted_detector.operations.decisions.fields import read_stream
from twisted_detector.operations.requests import Handler
from twisted_detector.registry.registry import Registry

#: Devices that are being added at one time by a stream's URL: more than there are jobs.
MAX_EXPECTED = 16
#: Looks the addresses of a host's name up; none where it has none.
ResolveName = Callable[[str], Awaitable[Sequence[str]]]
#: Makes a login ready, so that it is used from the moment on in which it is kept.
PrepareLogin = Callable[[Login], Awaitable[object]]


class GivenStreams:
    """Lookup of the streams that people gave: for cameras, and for addresses where one is being added.

    ``len`` tells how many are being added.
    """

    def __init__(self, book: DecisionBook) -> None:
        self._book = book
        self._expected: BoundedDict[str, OwnStreams] = BoundedDict(MAX_EXPECTED)

    def __len__(self) -> int:
        return len(self._expected)

    def of(self, camera_id: str, address: str) -> OwnStreams:
        """The streams of a camera; of one that is not known yet, what is expected at its ``address``."""
        decided = self._book.current.of(camera_id).streams
        return decided if decided else self._expected.get(address) or decided

    def expect(self, address: str, streams: OwnStreams) -> None:
        """A camera is being added that has these streams, and no id yet."""
        self._expected[address] = streams

    def expected(self, address: str) -> None:
        """The camera there has its id, or there is none."""
        self._expected.pop(address, None)


class StreamCommands:
    """Executor of ``stream``. A camera whose streams change, by whatever way, is inspected at once.

    :param decided: makes the answer: the command ``decided``.
    :param check: inspects a camera, by its id.
    :param explain_refusal: why an address is asked nothing, "" where it may be asked.
    :param resolve: see :data:`ResolveName`; ``prepare``: :data:`PrepareLogin`.
    """

    def __init__(
        self,
        registry: Registry,
        book: DecisionBook,
        *,
        decided: Handler,
        check: Callable[[str], bool],
        explain_refusal: Callable[[str], str],
        resolve: ResolveName,
        prepare: PrepareLogin,
    ) -> None:
        self._registry = registry
        self._book = book
        self._decided = decided
        self._check = check
        self._explain_refusal = explain_refusal
        self._resolve = resolve
        self._prepare = prepare
        book.changed.add(self._changed)

    async def stream(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Say where a camera's streams are (``main``, ``sub``); "" leaves one to camdetect again.

        :raises RemoteError: no camera with that id, a field that is refused, or none at all.
        :raises NotSaved: the disk did not take it.
        """
        camera = wanted_camera(self._registry, fields)
        given: dict[str, StreamAddress | None] = {}
        login: Login | None = None
        for field in ("main", "sub"):
            if fields.get(field) is None:
                continue
            given[field], found, host = read_stream(field, fields[field])
            if host:
                await self._check_host(field, host, camera)
            if found is not None and login is not None and found != login:
                raise RemoteError("sub: its login differs from that of main; a camera has only one")
            login = found or login
        if not given:
            raise RemoteError("this command needs one of main and sub")

        def change(decided: CameraDecisions) -> CameraDecisions:
            main, sub = given.get("main", decided.main), given.get("sub", decided.sub)
            return replace(decided, login=login or decided.login, main=main, sub=sub)

        if login is not None:
            await self._prepare(login)
        await self._book.change_camera(camera.id, change, version=wanted_version(fields))
        return await self._decided({"camera_id": camera.id})

    async def _check_host(self, field: str, host: str, camera: Camera) -> None:
        """Return where a URL's host is the camera.

        :raises RemoteError: it is another one.
        """
        if host == STAND_IN or host == camera.address:
            return
        shown = masked(host)[:80]
        try:
            places: Sequence[str] = (canonical_address(host),)
        except RemoteError:
            places = await self._resolve(host)
            if not places:
                raise RemoteError(f"{field}: {shown} is not an address, and no host has that name") from None
        if camera.address in places:
            return
        for place in places:
            if ip_address(place.partition("%")[0]).is_loopback and (refusal := self._explain_refusal(place)):
                raise RemoteError(f"{field}: is on {place}: {refusal}")
        where = shown if (shown,) == tuple(places) else f"{shown} ({', '.join(places)})"
        raise RemoteError(
            f"{field}: is on {where}, but this camera is at {camera.address}; enter a stream of this camera"
        )

    def _changed(self, before: Decisions, after: Decisions) -> None:
        for camera_id in {*before.cameras, *after.cameras}:
            if before.of(camera_id).streams != after.of(camera_id).streams:
                self._check(camera_id)
