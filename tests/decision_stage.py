"""Double of the commands by which a person decides, for the browser tests; it answers in the shapes of the router.

What a field may have is checked by the real checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.task import deferLater

from twisted_detector import events
from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.model import Adoption, Status
from twisted_detector.model.encoding import rfc3339
from twisted_detector.operations.decisions.fields import read_line, read_login, read_network, read_note, read_stream

READ: Mapping[str, Any] = {"name": read_line, "area": read_line, "note": read_note, "network": read_network}


class DecisionStage:
    """Cameras of a stage with what is decided about them.

    The login of every camera is ``viewer:look``. ``10.9.0.0/24`` is on no network that is searched; at 192.168.1.24 is
    a camera; whatever else is added does not answer.

    :ivar tries: (camera, user) of each login that was sent to a camera.
    :ivar is_full: the disk takes no writes.
    """

    def __init__(self, cameras: dict[str, Any], emit: Any, reactor: Any) -> None:
        self._cameras, self._emit, self._reactor = cameras, emit, reactor
        self._given: dict[str, dict[str, str]] = {}
        self._versions: dict[str, int] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._called = {key: one.name for key, one in cameras.items()}
        self.tries: list[tuple[str, str]] = []
        self.is_full = False
        self._networks = [
            self._network("192.168.1.0/24", "interfaces", 31),
            self._network("10.20.0.0/24", "environment", 4),
            self._network("10.30.0.0/24", "page", 0),
        ]

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By the name of the command."""
        return {
            "decided": self.decided, "name": self.name, "stream": self.stream, "login": self.login, "add": self.add,
            "networks": self.networks, "reload": self.reload,
        }  # fmt: skip

    # --- one camera ------------------------------------------------------------------------------------------------

    async def decided(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        camera_id = fields["camera_id"]
        camera, given = self._cameras[camera_id], self._given.get(camera_id, {})
        values: dict[str, Any] = {
            name: {"value": given.get(name, ""), "source": "page" if given.get(name) else ""}
            for name in ("area", "note", "main", "sub", "network")
        }
        # The first camera of the stage has an entry in a login file.
        user = given.get("user") or ("filed" if camera_id == "00408c000000" else "")
        source = "page" if given.get("user") else "file" if user else ""
        values["name"] = {"value": camera.name, "source": "page" if given.get("name") else "camera"}
        values["login"] = {"value": {"user": user} if user else None, "source": source}
        values["adopted"] = {"value": camera.adopted.value, "source": "camera"}
        return {"camera_id": camera_id, "version": self._versions.get(camera_id, 0), "values": values}

    def give(self, camera_id: str, given: Mapping[str, str], version: int | None = None) -> None:
        """Keep values, as a browser or another way of asking does."""
        now = self._versions.get(camera_id, 0)
        if version is not None and version != now:
            raise RemoteError("version: it was changed meanwhile by somebody else; look at it again")
        if self.is_full:
            raise NotSaved("/var/lib/camdetect/overrides: No space left on device")
        # A number that says nothing of before and after, as the daemon's: it falls with each change here.
        self._versions[camera_id] = (now or 1 << 32) - 1
        self._given.setdefault(camera_id, {}).update(given)
        if "name" in given:
            self._put(replace(self._cameras[camera_id], name=given["name"] or self._called[camera_id]))

    def _put(self, camera: Any, event: Any = None) -> None:
        now = self._reactor.seconds()
        self._cameras[camera.id] = camera
        self._emit(event(now, camera) if event else events.CameraChanged(now, camera))

    async def name(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        given = {name: READ[name](name, fields[name]) for name in READ if name in fields}
        texts = {name: "" if value is None else str(value) for name, value in given.items()}
        self.give(fields["camera_id"], texts, fields.get("version"))
        return await self.decided(fields)

    async def stream(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        camera, given = self._cameras[fields["camera_id"]], {}
        for name in ("main", "sub"):
            if name not in fields:
                continue
            address, login, host = read_stream(name, fields[name])
            if host and host != camera.address:
                raise RemoteError(f"{name}: is on another host than this camera ({camera.address})")
            given[name] = address.url(camera.address) if address is not None else ""
            if login is not None:
                given["user"] = login.name
        self.give(camera.id, given, fields.get("version"))
        return await self.decided(fields)

    async def login(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        camera, action = self._cameras[fields["camera_id"]], fields["action"]
        if action == "retry":
            return {"address": camera.address, "logins": [], "waits": ""}
        if action == "clear":
            self.give(camera.id, {"user": ""})
            return {"camera_id": camera.id, "text": "its own login was removed", "kept": ""}
        login = read_login(fields.get("user"), fields.get("password"))
        if action == "save":
            self.give(camera.id, {"user": login.name})
            return {"camera_id": camera.id, "text": "kept for: camera", "kept": "camera"}
        camera = replace(camera, adopted=Adoption.PERSON)
        self._put(camera)
        failed = [one for one in self.tries if one[0] == camera.id]
        if len(failed) >= 2:
            text = "two logins were refused within 30 minutes; the next may be tried in 29 min"
            return {"outcome": "not-tried", "text": text, "left": 0, "of": 2, "kept": ""}
        await deferLater(self._reactor, 0.3, lambda: None)
        if (login.name, login.password.reveal()) != ("viewer", "look"):
            self.tries.append((camera.id, login.name))
            text = f"the camera refused {login.name}"
            return {"outcome": "refused", "text": text, "left": 1 - len(failed), "of": 2, "kept": ""}
        keep = fields.get("keep", "camera")
        if keep != "no":
            self.give(camera.id, {"user": login.name})
        well = replace(camera, status=Status.ONLINE, reason="", since=self._reactor.seconds())
        self._put(well, events.CameraOnline)
        kept = {"no": "", "network": "network 192.168.1.0/24", "vendor": f"vendor {camera.manufacturer}"}.get(
            keep, keep
        )
        text = f"the camera accepted {login.name}; it is online"
        return {"outcome": "accepted", "text": text, "left": 2, "of": 2, "kept": kept}

    # --- adding ----------------------------------------------------------------------------------------------------

    async def add(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if "job" in fields:
            if fields["job"] not in self._jobs:
                raise RemoteError("job: there is none of that name")
            return self._jobs[fields["job"]]
        target = fields["target"]
        if target.endswith("/8"):
            raise RemoteError("target: a range has at most 1024 addresses, these are 16777216")
        if "localhost" in target or "127." in target:
            raise RemoteError("target: is this machine itself, and no camera")
        url = "rtsp://" in target
        address = read_stream("target", target)[2] if url else target
        job: dict[str, Any] = {"job": f"j{len(self._jobs)}", "target": address, "done": False, "steps": [],
                               "camera_ids": []}  # fmt: skip
        self._jobs[job["job"]] = job
        self._step(job, address, "connect", "doing", f"connecting to {address}")
        self._reactor.callLater(0.8, self._go_on, job, address, url)
        return dict(job)

    def _step(self, job: dict[str, Any], address: str, step: str, state: str, text: str, **more: Any) -> None:
        job["steps"] = [one for one in job["steps"] if one["step"] != step]
        told = {"address": address, "step": step, "state": state, "text": text, "reason": "", "help": [], **more}
        job["steps"].append(told)

    def _go_on(self, job: dict[str, Any], address: str, url: bool) -> None:
        job["done"] = True
        found = [one for one in self._cameras.values() if one.address == address]
        if address.startswith("10.9.") and not any(one["network"] == "10.9.0.0/24" for one in self._networks):
            helps = [{"kind": "add-network", "text": "Search 10.9.0.0/24", "network": "10.9.0.0/24"}]
            reason = f"{address} is on no network that is searched"
            self._step(job, address, "network", "failed", "looked for its network", reason=reason, help=helps)
            return
        if not found and not url:
            self._step(job, address, "connect", "ok", f"{address} answers")
            port = f"rtsp://{address}:5566/live"
            helps = [{"kind": "use-port", "text": "Use port 5566", "target": port, "address": address}]
            self._step(job, address, "ports", "failed", "looked for RTSP", reason="554 is closed", help=helps)
            return
        camera = found[0] if found else self._cameras["00408c000004"]
        self._step(job, address, "connect", "ok", f"{address} answers")
        if camera.status is Status.AUTH_REQUIRED:
            helps = [{"kind": "give-login", "text": "Enter a login", "camera_id": camera.id}]
            self._step(job, address, "login", "failed", "asked it", reason="it wants a login", help=helps)
        else:
            self._step(job, address, "stream", "ok", "a keyframe came")
        job["camera_ids"] = [camera.id]

    # --- the site --------------------------------------------------------------------------------------------------

    def _network(self, network: str, source: str, hosts: int) -> dict[str, Any]:
        last = rfc3339(self._reactor.seconds() - 240)
        by = ["neighboursweep", "wsdiscovery"]
        links = ["eth0"] if source == "interfaces" else []
        return {"network": network, "source": source, "interfaces": links, "what": "", "searched": True, "by": by,
                "why": "", "last": last, "packets": 254, "packets_last_hour": 254, "hosts": hosts}  # fmt: skip

    async def networks(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if fields.get("action") == "add":
            network = read_network("network", fields["network"])
            if network is None or network.num_addresses > 65536:
                raise RemoteError("network: has more addresses than are searched, 65536")
            one = self._network(str(network), "page", 0)
            self._networks.append({**one, "last": None, "packets": None, "hosts": None})
        elif fields.get("action") == "remove":
            gone = [one for one in self._networks if one["network"] == fields["network"] and one["source"] == "page"]
            if not gone:
                raise RemoteError("network: is not one that was added on the page")
            self._networks.remove(gone[0])
        return {"networks": list(self._networks), "still": ""}

    async def reload(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        if fields.get("restart"):
            return {"changed": [], "restart": ["WEB_LISTEN"], "faults": [], "restarting": True}
        return {"changed": ["logins: 1 added"], "restart": ["WEB_LISTEN"], "faults": [], "restarting": False}
