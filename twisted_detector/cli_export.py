"""A state directory and a format go in; the cameras as another program reads them come out: ``camdetect export``."""

from __future__ import annotations

from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_detector.config import Config
from twisted_detector.control import NotRunning, ask
from twisted_detector.errors import CamdetectError, StoreError
from twisted_detector.exporting import export as export_cameras
from twisted_detector.inspection.credentials import LoginBudget
from twisted_detector.model import Camera, Candidate, Login
from twisted_detector.store import Store


def export(reactor: Any, config: Config, name: str, *, diff: bool, out: TextIO, err: TextIO) -> int:
    """Ask the running daemon, else read its directory; the exit status is 1 when neither tells."""
    request: dict[str, Any] = {"command": "export", "format": name, **({"diff": True} if diff else {})}
    try:
        out.write(str(ask(config.state_dir, request)["text"]))
        return 0
    except NotRunning:
        if diff:
            err.write(f"camdetect export: no daemon answers at {config.state_dir}: only it knows what would change\n")
            return 1
    except CamdetectError as error:
        err.write(f"camdetect export: {error}\n")
        return 1
    status = 0

    async def work() -> None:
        nonlocal status
        try:
            cameras, budget = await _load(reactor, config)
        except CamdetectError as error:
            status = 1
            err.write(f"camdetect export: {error}\n")
            return
        out.write(export_cameras(name, cameras, lambda camera: login_of(budget, camera), config)["text"])

    try:
        react(lambda _: Deferred.fromCoroutine(work()), (), reactor)
    except SystemExit as end:
        return status or int(end.code or 0)


def login_of(budget: LoginBudget, camera: Camera) -> Login | None:
    """The login that a camera let in last."""
    return budget.known_good(
        Candidate(camera.device_id, camera.address, mac=camera.mac, endpoint_reference=camera.endpoint_reference)
    )


async def _load(reactor: Any, config: Config) -> tuple[list[Camera], LoginBudget]:
    """The cameras of the store, and which of the configured logins each let in."""
    store = Store(reactor, config.state_dir)
    cameras: list[Camera] = []
    salt: str = ""
    saved: Any = {}
    if store.path.exists():
        await store.open()
        try:
            cameras = list(await store.load_cameras())
            salt = (await store.load_values("salt")).get("login_budget", "")
            saved = await store.load_values("login_budget")
            if store.degraded:
                raise StoreError(store.degraded)
        finally:
            await store.close()
    budget = LoginBudget(config.camera_credentials, salt=salt, save=lambda key, text: None)
    budget.restore(saved)
    return cameras, budget
