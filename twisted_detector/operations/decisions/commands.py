"""Commands ``name`` and ``decided``: what a person calls a camera, and all that is decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.model.addresses import masked
from twisted_detector.model.decisions import PAGE, CameraDecisions, Decisions, Description, StreamAddress
from twisted_detector.model.naming import title, title_source
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.fields import read_line, read_network, read_note
from twisted_detector.registry.registry import Registry


class IOrigins(Protocol):
    """Lookup of what is not in a camera's decisions alone."""

    def login_of(self, camera: Camera) -> tuple[str, str] | None:
        """User and source of the login that is for a camera, None where there is none."""

    def adoption_of(self, camera: Camera) -> str:
        """The source of a camera's adoption, or of its lack."""


def wanted_camera(registry: Registry, fields: Mapping[str, Any]) -> Camera:
    """The camera of the field ``camera_id``.

    :raises RemoteError: it is missing, or there is none of that id.
    """
    camera_id = fields.get("camera_id")
    if not isinstance(camera_id, str) or not camera_id:
        raise RemoteError("this command needs 'camera_id'")
    camera = registry.camera(camera_id)
    if camera is None:
        raise RemoteError("no camera with that id", shown=camera_id[:60])
    return camera


def wanted_version(fields: Mapping[str, Any]) -> int | None:
    """The field ``version``, None where it is not given.

    :raises RemoteError: it is no number.
    """
    version = fields.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise RemoteError("version: must be the number that `decided` gave")
    return version


class DescriptionCommands:
    """Executor of ``name`` and ``decided``.

    :param book: where decisions are kept.
    :param origins: where login and adoption of a camera are from.
    """

    def __init__(self, clock: IReactorTime, registry: Registry, book: DecisionBook, origins: IOrigins) -> None:
        self._clock = clock
        self._registry = registry
        self._book = book
        self._origins = origins
        book.changed.add(self._describe)

    async def name(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Change name, area, note or expected network of a camera; "" takes a value back.

        :raises RemoteError: no camera with that id, a field that is refused, or none at all.
        :raises NotSaved: the disk did not take it.
        """
        camera = wanted_camera(self._registry, fields)
        given = {name: fields[name] for name in ("name", "area", "note", "network") if fields.get(name) is not None}
        if not given:
            raise RemoteError("this command needs one of name, area, note and network")
        texts: dict[str, str] = {name: read_line(name, given[name]) for name in ("name", "area") if name in given}
        if "note" in given:
            texts["note"] = read_note("note", given["note"])

        def change(decided: CameraDecisions) -> CameraDecisions:
            described = replace(decided.description, **texts)
            if "network" in given:
                decided = replace(decided, network=read_network("network", given["network"]))
            return replace(decided, description=described)

        await self._book.change_camera(camera.id, change, version=wanted_version(fields))
        answer = dict(await self.decided({"camera_id": camera.id}))
        twins = [one.id for one in self._registry.cameras() if one.id != camera.id and one.called == texts.get("name")]
        if texts.get("name") and twins:
            answer["remark"] = f"{twins[0]} has the same name"
        return answer

    async def decided(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """All that is decided about a camera, each value with where it comes from; no password.

        :raises RemoteError: no camera with that id.
        """
        camera = wanted_camera(self._registry, fields)
        decided = self._book.current.of(camera.id)
        return {"camera_id": camera.id, "version": decided.version, "values": values_of(camera, decided, self._origins)}

    def _describe(self, before: Decisions, after: Decisions) -> None:
        now = self._clock.seconds()
        for camera_id in {*before.cameras, *after.cameras}:
            if before.of(camera_id).description != after.of(camera_id).description:
                self._registry.describe(camera_id, now)


def values_of(camera: Camera, decided: CameraDecisions, origins: IOrigins) -> dict[str, dict[str, Any]]:
    """Each value of a camera's form, with its source: ``page``, ``camera``, or "" where nobody gave one."""
    described: Description = decided.description
    network = decided.network
    user, source = origins.login_of(camera) or ("", "")

    def given(value: Any) -> dict[str, Any]:
        return {"value": value, "source": PAGE if value else ""}

    return {
        "name": {"value": title(camera), "source": PAGE if described.name else _camera_source(camera)},
        "area": given(described.area),
        "note": given(described.note),
        "login": {"value": {"user": user} if user else None, "source": source},
        "main": given(_shown(decided.main, camera)),
        "sub": given(_shown(decided.sub, camera)),
        "network": given(str(network) if network is not None else ""),
        "adopted": {"value": camera.adopted.value, "source": origins.adoption_of(camera)},
    }


def _camera_source(camera: Camera) -> str:
    return "camera" if title_source(camera) not in ("model", "id") else ""


def _shown(stream: StreamAddress | None, camera: Camera) -> str:
    """A stream's URL as it is shown: some makers want the password in the path."""
    return masked(stream.url(camera.address)) if stream is not None else ""
