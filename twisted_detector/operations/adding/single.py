"""Addition of what stands at one address: step by step, each step told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.model import Adoption, Camera, Login, Status
from twisted_detector.model.addresses import masked
from twisted_detector.model.decisions import StreamAddress
from twisted_detector.model.naming import STATE_WORDS, title
from twisted_detector.operations.adding.devices import AddedDevices, InspectionEnds
from twisted_detector.operations.adding.progress import Progress
from twisted_detector.operations.adding.stream_question import AskStream, Finding, StreamAnswer
from twisted_detector.operations.diagnosis import OPEN, REFUSED, AddressState, Reason, diagnose, help_for
from twisted_detector.registry.lifecycle import Phase

#: Seconds until a device that answered has to be known as a camera, or as none: an inspection takes two minutes at
#: most.
DEVICE_SECONDS = 130.0
#: Seconds after which a device that the detector did not take in is told as such.
TAKEN_IN_SECONDS = 5.0
#: Seconds in which a camera that has a new stream or login has to play.
PLAY_SECONDS = 30.0
#: Seconds between two looks while no inspection ends: what was withheld is published without one.
LOOK_SECONDS = 2.0
#: What a server may speak that does not speak the other.
_TLS = {"rtsp": "rtsps", "rtsps": "rtsp"}
#: Reasons by which nothing is sent to an address.
_NOT_ASKED = frozenset({"this-machine", "excluded", "out-of-reach"})
#: How observations begin of devices that the detector does not take in.
_REFUSALS = ("not taken in", "it is blocked")
#: What helps where no stream is found.
GIVE_URL = "If you know its stream, enter the rtsp:// URL instead."


class Examine(Protocol):
    """See :meth:`Why.examine`."""

    def __call__(
        self, address: str, *, first: Sequence[int] = (), briefly: bool = False
    ) -> Awaitable[AddressState]: ...


@dataclass(frozen=True, slots=True)
class Means:
    """What an addition works with.

    :ivar examine: looks at an address: ARP, and a connection to each usual port.
    :ivar ask: asks for a stream's path.
    :ivar monotonic: seconds that never jump.
    """

    clock: IReactorTime
    devices: AddedDevices
    examine: Examine
    ask: AskStream
    monotonic: Callable[[], float]


class SingleAddition:
    """One address of a job.

    :param many: it is one of a range: nobody named this very address, and what is not there is only counted.
    :param looked_up: a name led here, for which any device on the LAN may have answered: nobody vouches for it.
    """

    def __init__(
        self, means: Means, progress: Progress, address: str, *, many: bool = False, looked_up: bool = False
    ) -> None:
        self._clock = means.clock
        self._monotonic = means.monotonic
        self._devices = means.devices
        self._examine = means.examine
        self._ask = means.ask
        self._progress = progress
        self._address = address
        self._many = many
        self._looked_up = looked_up
        self._ends = InspectionEnds(means.clock)

    async def run(self, stream: StreamAddress | None = None, login: Login | None = None) -> None:
        """Add it; with ``stream`` the camera that has that one."""
        with self._devices.follow(self._address) as self._ends:
            await self._run(stream, login)

    async def _run(self, stream: StreamAddress | None, login: Login | None) -> None:
        state = await self._reach((stream.port,) if stream is not None else self._devices.ports_at(self._address))
        if state is None:
            return
        if stream is None:
            await self._add_device(state)
            return
        answer = await self._find_stream(state, stream)
        if answer is not None:
            await self._add_stream(state, stream, login)

    # --- steps -----------------------------------------------------------------------------------------------------

    async def _reach(self, first: Sequence[int]) -> AddressState | None:
        """Look whether anybody is there."""
        self._doing("reach", "checking whether it answers")
        state = await self._examine(self._address, first=first, briefly=self._many)
        opened = _opened(state)
        if self._devices.is_blocked(self._address, state.mac):
            self._failed("reach", "not asked", "this device is blocked; unblock it first (camdetect unblock)")
            return None
        answered = state.mac is not None or any(one in (OPEN, REFUSED) for one in state.ports.values())
        if not answered:
            reason = diagnose(replace(state, cameras=()))
            asked = reason.code not in _NOT_ASKED
            if not self._many:
                self._fail_by(reason, state, "reach", "it does not answer" if asked else "not asked")
                return None
            self._progress.drop(self._address)
            self._progress.silent += asked
            if not asked:
                self._progress.skipped(reason.text.rstrip("."))
            return None
        there = f"it answers, and its MAC is {state.mac}" if state.mac else "it answers"
        self._succeeded("reach", f"{there}; open ports: {', '.join(map(str, opened)) or 'none'}")
        return state

    async def _add_device(self, state: AddressState) -> None:
        """Add the device, whatever it is."""
        opened = _opened(state)
        if not opened and not state.cameras and state.phase is None:
            self._progress.others += 1
            if self._many:
                self._progress.drop(self._address)
            else:
                reason = diagnose(state)
                reason = replace(reason, advice=f"{reason.advice} {GIVE_URL}".lstrip())
                self._fail_by(reason, state, "ports", "no camera port is open")
            return
        rtsp = [port for port in opened if port in state.rtsp_ports]
        if cameras := await self._identify(rtsp, opened, state.mac):
            for camera in cameras:
                await self._adopt(camera, state)

    async def _find_stream(self, state: AddressState, stream: StreamAddress) -> StreamAnswer | None:
        """Ask for exactly this stream; None where it is not there, which is told."""
        self._doing("stream", f"asking for {_place(stream)}")
        outcome = state.ports.get(stream.port, OPEN)
        if outcome == OPEN:
            answer = await self._ask(self._address, stream)
        else:
            closed = f"port {stream.port} is closed" if outcome == REFUSED else f"port {stream.port} does not answer"
            answer = StreamAnswer(Finding.SILENT, closed)
        if answer.finding is Finding.THERE:
            self._succeeded("stream", answer.text)
            return answer
        helps: list[dict[str, str]] = []
        if answer.finding is Finding.NOT_RTSP:
            other = replace(stream, scheme=_TLS[stream.scheme])
            if (await self._ask(self._address, other)).finding is Finding.THERE:
                speaks = "RTSP over TLS" if other.scheme == "rtsps" else "RTSP without TLS"
                helps += self._use(other, f"Use {other.scheme}:// (it speaks {speaks})")
        elif answer.finding is Finding.SILENT:
            for port in _opened(state):
                if port in state.rtsp_ports and port != stream.port:
                    helps += self._use(replace(stream, port=port), f"Use port {port}")
        self._failed("stream", f"asked for {_place(stream)}", answer.text, helps[:3])
        return None

    async def _add_stream(self, state: AddressState, stream: StreamAddress, login: Login | None) -> None:
        """Make the camera with this stream, or give it to the one that is there."""
        cameras = self._devices.cameras_at(self._address, state.mac)
        if not cameras:
            self._devices.expect(self._address, stream)
        try:
            if not cameras:
                opened = dict.fromkeys((stream.port, *_opened(state)))
                rtsp = [port for port in opened if port == stream.port or port in state.rtsp_ports]
                cameras = await self._identify(rtsp, tuple(opened), state.mac)
            if not cameras:
                return
            url = stream.url(self._address)
            camera = next((one for one in cameras if any(each.url == url for each in one.streams)), cameras[0])
            self._doing("keep", "saving the stream")
            self._ends.forget()
            try:
                await self._devices.keep(camera.id, stream, login, adopt=not self._looked_up)
            except (NotSaved, RemoteError) as error:
                self._failed("keep", "the stream could not be saved", str(error))
                return
        finally:
            self._devices.expected(self._address)
        kept = "the stream and the login are saved" if login is not None else "the stream is saved"
        if self._looked_up:
            self._succeeded("keep", f"{kept} for {title(camera)}")
            self._leave(camera)
        else:
            self._succeeded("keep", f"{kept} for {title(camera)}, which is adopted")
        self._found(camera)
        await self._watch(camera.id, state, url=url)

    async def _identify(self, rtsp: Sequence[int], opened: Sequence[int], mac: str | None) -> tuple[Camera, ...]:
        """Have it inspected; its cameras, none when it is told that it is none."""
        self._doing("device", "asking what it is")
        self._ends.forget()
        self._devices.name(self._address, rtsp_ports=rtsp, open_ports=opened)
        began, begun = self._clock.seconds(), self._monotonic()
        while (passed := self._monotonic() - begun) < DEVICE_SECONDS:
            ended = await self._ends.next(LOOK_SECONDS)
            cameras = self._devices.cameras_at(self._address, mac)
            if cameras and (ended or passed >= TAKEN_IN_SECONDS):
                many = f", with {len(cameras)} cameras" if len(cameras) > 1 else ""
                self._succeeded("device", f"it is {_described(cameras[0])}{many}")
                return cameras
            phases = self._devices.phases_at(self._address)
            if (ended or passed >= TAKEN_IN_SECONDS) and not phases:
                break
            if ended and all(phase in (Phase.FOREIGN, Phase.CANDIDATE) for phase in phases):
                break  # in others it is a camera, and only its publication waits
        state = await self._examine(self._address)
        since = [one.text for one in state.facts if one.last_at >= began]
        refused = next((text for text in reversed(since) if text.startswith(_REFUSALS)), "")
        reason = Reason("not-taken-in", refused) if refused else diagnose(state)
        self._fail_by(reason, state, "device", "it is not a camera that can be added")
        return ()

    async def _adopt(self, camera: Camera, state: AddressState) -> None:
        """Adopt a camera, and follow it until it plays.

        One that was known before and is not adopted stays so, unless a person names its very address.
        """
        known = any(one.id == camera.id for one in state.cameras)
        if self._many and known and camera.adopted is Adoption.NO:
            self._leave(camera)
            return
        if self._looked_up:
            self._leave(camera)
            self._found(camera)
            await self._watch(camera.id, state, asked=False)
            return
        now = self._devices.camera(camera.id) or camera
        asked = now.adopted is not Adoption.PERSON
        if asked:
            self._ends.forget()
            try:
                await self._devices.adopt(camera.id)
            except NotSaved as error:
                self._failed(f"adopt {camera.id}", f"{title(camera)} could not be adopted", str(error))
                return
            self._devices.check(camera.id)
            self._succeeded(f"adopt {camera.id}", f"{title(camera)} is adopted")
        self._found(camera)
        await self._watch(camera.id, state, asked=asked)

    def _leave(self, camera: Camera) -> None:
        """Leave a camera that is not adopted to the person."""
        if camera.adopted is not Adoption.NO:
            return
        reason = "it was known before and is not adopted"
        if self._looked_up:
            place = self._address
            reason = f"any device on the network can answer for a name: adopt it if the camera at {place} is yours"
        helps = [{"kind": "adopt", "text": "Adopt it", "camera_id": camera.id}]
        self._failed(f"adopt {camera.id}", f"{title(camera)} is left as it is", reason, helps)

    async def _watch(self, camera_id: str, state: AddressState, *, url: str = "", asked: bool = True) -> None:
        """Wait until a camera plays, or the reason why it does not is known.

        :param url: of the stream by which it is judged, where it was given one.
        :param asked: whether another inspection of it is to come.
        """
        step = f"play {camera_id}"
        self._doing(step, "checking that its streams play")
        began = self._monotonic()
        while True:
            camera = self._devices.camera(camera_id)
            passed = self._monotonic() - began
            if camera is None:
                self._failed(step, "its streams could not be checked", "it was forgotten in the meantime")
                return
            has_stream = not url or any(one.own and one.url == url for one in camera.streams)
            if camera.status is Status.ONLINE and has_stream:
                self._succeeded(step, f"online: {_streams(camera)}")
                self._remark_on_network(state)
                return
            bad = camera.status not in (Status.ONLINE, Status.BUSY, Status.OFFLINE) and has_stream
            if passed >= PLAY_SECONDS or (bad and not asked):
                break
            asked &= not await self._ends.next(LOOK_SECONDS)
        login = {"kind": "give-login", "text": "Enter a login", "camera_id": camera_id, "address": self._address}
        helps = [login] if camera.status is Status.AUTH_REQUIRED else []
        why = camera.reason or "its streams did not play in time; camdetect keeps checking"
        if not camera.streams and not helps:
            why = f"{why}. {GIVE_URL}".rstrip(".")
        self._failed(step, f"{title(camera)} {STATE_WORDS[camera.status]}", why, helps)

    def _remark_on_network(self, state: AddressState) -> None:
        """Beyond the networks that are searched it is not found again when its address changes."""
        reason = diagnose(replace(state, cameras=(), phase=None, facts=(), moved_to=""))
        helps = [one for one in help_for(state, reason) if one["kind"] == "add-network"]
        if helps:
            network = helps[0]["network"]
            self._progress.succeeded(
                self._address,
                "network",
                f"{network} is not searched, so the camera will not be found again if its address changes",
                helps,
            )

    # --- telling ---------------------------------------------------------------------------------------------------

    def _found(self, camera: Camera) -> None:
        if camera.id not in self._progress.camera_ids:
            self._progress.camera_ids.append(camera.id)

    def _use(self, stream: StreamAddress, text: str) -> list[dict[str, str]]:
        """The button that adds another stream; none where a password stands in its path, which is not told."""
        target = stream.url(self._address)
        if masked(target) != target:
            return []
        return [{"kind": "use-port", "text": text, "target": target, "address": self._address}]

    def _fail_by(self, reason: Reason, state: AddressState, step: str, text: str) -> None:
        words = " ".join(filter(None, (reason.text, reason.advice)))
        self._failed(step, text, words.rstrip("."), help_for(state, reason))

    def _doing(self, step: str, text: str) -> None:
        self._progress.doing(self._address, step, text)

    def _succeeded(self, step: str, text: str) -> None:
        self._progress.succeeded(self._address, step, text)

    def _failed(self, step: str, text: str, reason: str, helps: Sequence[dict[str, str]] = ()) -> None:
        self._progress.failed(self._address, step, text, reason, helps)


def _opened(state: AddressState) -> tuple[int, ...]:
    return tuple(port for port, outcome in state.ports.items() if outcome == OPEN)


def _place(stream: StreamAddress) -> str:
    return f"{masked(stream.target)} at port {stream.port}"


def _described(camera: Camera) -> str:
    return " ".join(filter(None, (camera.manufacturer, camera.model))) or "a camera"


def _streams(camera: Camera) -> str:
    proved = [one for one in camera.streams if one.validated]
    words = [f"{one.name or 'a stream'} {one.codec} {one.width}x{one.height}" for one in proved[:3]]
    return ", ".join(words) or "it plays"
