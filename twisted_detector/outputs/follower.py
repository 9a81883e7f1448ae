"""One consumer that is kept in step: what it is to hold and where, and its entries while the service runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from twisted_detector.model import Camera, Login
from twisted_detector.model.consumers import CameraChoice, Consumer
from twisted_detector.outputs.frigate.document import FrigateOptions
from twisted_detector.outputs.go2rtc.document import Go2rtcOptions
from twisted_detector.outputs.players import Player, frigate_player, go2rtc_player
from twisted_detector.outputs.stream_choice import StreamDocument, consumer_name
from twisted_detector.outputs.sync.blocks import CameraBlocks
from twisted_detector.outputs.sync.consumer import ConsumerTargets, Destinations
from twisted_detector.outputs.sync.seams import Entries, TargetPhase

#: States of an API that answered last time: what it refused does not stand among what was written.
_HOLDING = (TargetPhase.DONE, TargetPhase.REFUSED)

#: How the entries of one program are worded.
Options = FrigateOptions | Go2rtcOptions


@dataclass(frozen=True, slots=True)
class FrigateTopics:
    """Topics of Frigate's configuration: ``configuration`` has it, retained; ``reload`` says that it changed."""

    configuration: str
    reload: str


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """What one consumer is to hold, and where.

    :ivar options: how its entries are worded; ``choice``: of which cameras.
    :ivar topics: set for the one whose configuration is published.
    :ivar dry_run: change nothing there, only log what would change.
    :ivar page: URL at which browsers reach its own pages, "" where nobody said one.
    """

    consumer: Consumer
    options: Options
    destinations: Destinations = field(default_factory=Destinations)
    choice: CameraChoice = field(default_factory=CameraChoice)
    topics: FrigateTopics | None = None
    dry_run: bool = False
    page: str = ""


class Follower:
    """One consumer while the service runs: only what somebody is given is worded, and kept in no other form.

    :param word: makes the entries of one camera.
    :ivar blocks: its entries, None where neither a topic nor a destination wants them; ``live``: those with logins as
        they are, None where no API takes them.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        targets: ConsumerTargets,
        word: Callable[[Options, Camera, Login | None], StreamDocument],
    ) -> None:
        self.settings = settings
        self.targets = targets
        self.blocks: CameraBlocks | None = None
        self.live: CameraBlocks | None = None
        #: By camera, the names in the list of this consumer that the camera has.
        self._named: dict[str, frozenset[str]] = {}
        options, places, choice = settings.options, settings.destinations, settings.choice
        values, json = bool(places.entries or places.variables), settings.topics is not None
        if values or json:
            self.blocks = CameraBlocks(partial(word, options), choice, as_values=values, as_json=json)
        if places.live:
            live = partial(word, replace(options, publish_credentials=True))
            self.live = CameraBlocks(live, choice, as_values=True, as_json=False)

    @property
    def is_frigate(self) -> bool:
        return isinstance(self.settings.options, FrigateOptions)

    @property
    def cameras(self) -> int:
        """How many cameras it is to hold."""
        blocks = self.blocks if self.blocks is not None else self.live
        return len(blocks) if blocks is not None else 0

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names in its list that no camera has."""
        return self.settings.choice.others_than(frozenset().union(*self._named.values()))

    def entries(self) -> Entries:
        """What it is to hold, joined at once: for a person who asks."""
        return self.blocks.entries() if self.blocks is not None else {}

    def player(self, camera: Camera) -> Player | None:
        """The page on which it shows a camera live; None unless its API said that it holds the camera.

        A file says nothing of what the program has read.
        """
        options, consumer, page = self.settings.options, self.settings.consumer, self.settings.page
        name = consumer_name(camera.id)
        if isinstance(options, FrigateOptions):
            url = frigate_player(page, camera)
        else:
            name = f"{options.prefix}{name}"
            url = go2rtc_player(page, camera, options.prefix)
        api = next((one for one in self.targets.all if one.status.name == consumer.destination("api")), None)
        holding = api is not None and api.status.phase in _HOLDING and name in api.written
        return Player(consumer, url) if page and url and holding else None

    def update(self, camera_id: str, camera: Camera | None, login: Login | None) -> None:
        """Word one camera anew; None: it was forgotten."""
        for blocks in (self.blocks, self.live):
            if blocks is not None:
                blocks.update(camera_id, camera, login)
        named = self.settings.choice.names_of(camera) if camera is not None else frozenset()
        if named:
            self._named[camera_id] = named
        else:
            self._named.pop(camera_id, None)
