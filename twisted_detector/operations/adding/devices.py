"""Door to the rest of the daemon: devices are named to the detector, followed, adopted, and given streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from twisted_detector.detector.detector import Detector
from twisted_detector.model import Adoption, Camera, Login, Mac, Sighting
from twisted_detector.model.addresses import place_of
from twisted_detector.model.decisions import CameraDecisions, OwnStreams, StreamAddress, Verdict
from twisted_detector.model.devices import BY_HAND
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.streams import GivenStreams, PrepareLogin
from twisted_detector.operations.decisions.verdicts import VerdictCarrier
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry


class InspectionEnds:
    """Ends of inspections at one address: none is missed, whenever it is waited for."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._count = self._seen = 0
        self._waiting: Deferred[None] | None = None

    def ended(self) -> None:
        """An inspection ended."""
        self._count += 1
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def forget(self) -> None:
        """Those so far are of no interest: another one is about to be asked for."""
        self._seen = self._count

    async def next(self, seconds: float) -> bool:
        """Whether one ended since the last that was told, within so many seconds from now."""
        if self._count == self._seen:
            ended: Deferred[None] = Deferred()
            self._waiting = ended
            try:
                await ended.addTimeout(seconds, self._clock)
            except DeferredTimeout:
                return False
            finally:
                self._waiting = None
        self._seen = self._count
        return True


class AddedDevices:
    """Door of adding to detector, registry and decisions.

    :param given: knows which stream is expected at an address before the camera there has an id.
    :param prepare: see :data:`PrepareLogin`.
    """

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        detector: Detector,
        book: DecisionBook,
        given: GivenStreams,
        verdicts: VerdictCarrier,
        prepare: PrepareLogin,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._detector = detector
        self._book = book
        self._given = given
        self._verdicts = verdicts
        self._prepare = prepare
        self._followed: dict[str, list[InspectionEnds]] = {}

    # --- naming and following --------------------------------------------------------------------------------------

    def explain_refusal(self, address: str) -> str:
        """Why nothing at an address is asked, or ""."""
        return self._detector.explain_refusal(address)

    def is_blocked(self, address: str, mac: str | None) -> bool:
        """Whether a person blocked the device at an address."""
        seen = Mac.parse(mac) if mac is not None else None
        return self._registry.is_blocked(Sighting(BY_HAND, address, self._clock.seconds(), mac=seen))

    def name(self, address: str, *, rtsp_ports: Sequence[int], open_ports: Sequence[int]) -> None:
        """Have the device at an address inspected, because a person names it."""
        self._detector.sighted(
            Sighting(
                method=BY_HAND,
                address=address,
                seen_at=self._clock.seconds(),
                rtsp_ports=tuple(rtsp_ports),
                open_ports=tuple(open_ports),
            )
        )

    def inspection_ended(self, key: int) -> None:
        """An inspection of a device ended: who follows its address goes on."""
        if self._registry.knows(key):
            for ends in self._followed.get(self._registry.candidate(key).address, ()):
                ends.ended()

    @contextmanager
    def follow(self, address: str) -> Iterator[InspectionEnds]:
        """The ends of the inspections at an address, while it lasts."""
        ends = InspectionEnds(self._clock)
        followers = self._followed.setdefault(address, [])
        followers.append(ends)
        try:
            yield ends
        finally:
            followers.remove(ends)
            if not followers:
                self._followed.pop(address, None)

    def cameras_at(self, address: str, mac: str | None) -> tuple[Camera, ...]:
        """The cameras of who answers at an address; not of one that only says that it is there.

        :param mac: that answers there now, None where none is seen.
        """
        keys = self._registry.keys_at(address)
        if mac is not None:
            own = self._registry.key_of(Sighting(BY_HAND, address, self._clock.seconds(), mac=Mac.parse(mac)))
            nameless = [key for key in keys if all(one.mac is None for one in self._registry.cameras_of(key))]
            keys = (own,) if own is not None and own in keys else tuple(nameless)
        return tuple(one for key in keys for one in self._registry.cameras_of(key))

    def ports_at(self, address: str) -> tuple[int, ...]:
        """The ports of the streams that are known at an address."""
        streams = [one for key in self._registry.keys_at(address) for one in self._registry.streams(key)]
        return tuple(dict.fromkeys(place_of(one.url)[0] for one in streams))

    def camera(self, camera_id: str) -> Camera | None:
        """One camera by its id."""
        return self._registry.camera(camera_id)

    def phases_at(self, address: str) -> tuple[Phase, ...]:
        """The phases of the devices at an address."""
        return tuple(map(self._registry.phase, self._registry.keys_at(address)))

    # --- deciding --------------------------------------------------------------------------------------------------

    def expect(self, address: str, stream: StreamAddress) -> None:
        """The camera that will be made at an address has this stream."""
        self._given.expect(address, OwnStreams(main=stream))

    def expected(self, address: str) -> None:
        """Nothing is expected there any more."""
        self._given.expected(address)

    async def adopt(self, camera_id: str) -> None:
        """Adopt a camera: who adds it vouches for it.

        :raises NotSaved: the disk did not take it.
        """
        await self._verdicts.adopt([camera_id])

    async def keep(self, camera_id: str, stream: StreamAddress, login: Login | None, *, adopt: bool = True) -> None:
        """Give a camera its main stream and a login, and adopt it: one decision, so that no inspection sees half of it.

        It is inspected at once.

        :param adopt: False: whether it is adopted stays as it was.

        :raises NotSaved: the disk did not take it.
        """
        if login is not None:
            await self._prepare(login)

        def change(decided: CameraDecisions) -> CameraDecisions:
            verdict = Verdict.ADOPTED if adopt else decided.verdict
            return replace(decided, main=stream, login=login or decided.login, verdict=verdict)

        await self._book.change_camera(camera_id, change)
        camera = self.camera(camera_id)
        if adopt and camera is not None and camera.adopted is not Adoption.PERSON:
            await self.adopt(camera_id)  # it was adopted before, and showed itself as another device since
        self.check(camera_id)

    def check(self, camera_id: str) -> None:
        """Have a camera inspected."""
        self._detector.check(camera_id)
