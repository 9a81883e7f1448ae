"""One consumer that is kept in step: what it is to hold and where, and its entries while the service runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial

from twisted_detector.model import Camera, Login
from twisted_detector.model.consumers import CameraChoice, Consumer
from twisted_detector.outputs.frigate.document import FrigateOptions, FrigateTopics
from twisted_detector.outputs.go2rtc.document import Go2rtcOptions
from twisted_detector.outputs.players import Player, frigate_player, go2rtc_player
from twisted_detector.outputs.stream_choice import StreamDocument, consumer_name
from twisted_detector.outputs.sync.blocks import CameraBlocks
from twisted_detector.outputs.sync.consumer import ConsumerTargets, Destinations
from twisted_detector.outputs.sync.seams import ALONE, Entries, Sharing, TargetPhase
from twisted_detector.outputs.voice import Voice

#: States of an API that answered last time: what it refused does not stand among what was written.
_HOLDING = (TargetPhase.DONE, TargetPhase.REFUSED)

#: Ends the name of a camera's second entry.
SUB_ENTRY = "_sub"
#: How the entries of one program are worded.
Options = FrigateOptions | Go2rtcOptions


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


class EntryNames:
    """Reader of the names of one consumer's entries: of which camera each is, and which node keeps it.

    :param prefix: of all names.
    """

    def __init__(self, voice: Voice, prefix: str) -> None:
        self._voice = voice
        self._prefix = prefix
        #: Camera ids by name, of those that are known here.
        self._ids: dict[str, str] = {}

    def update(self, camera_id: str, *, is_known: bool) -> None:
        """This node knows a camera, or does not any more."""
        if not self._voice.is_shared:
            return
        if is_known:
            self._ids[consumer_name(camera_id)] = camera_id
        else:
            self._ids.pop(consumer_name(camera_id), None)

    def _camera(self, name: str) -> str:
        """The name of an entry's camera."""
        return name.removeprefix(self._prefix).removesuffix(SUB_ENTRY)

    def sharing(self, names: Collection[str]) -> Sharing:
        """Which of these entries other nodes may keep, too."""
        voice = self._voice
        if not voice.is_shared:
            return ALONE
        ids = {name: self._ids.get(self._camera(name), self._camera(name)) for name in names}
        others = frozenset(name for name, camera_id in ids.items() if not voice.keeps(camera_id))
        return Sharing(
            met=frozenset(name for name, camera_id in ids.items() if voice.met(camera_id)),
            others=others,
            staying=frozenset(name for name in others if self._camera(name) not in self._ids),
        )

    def keepers(self, names: Collection[str]) -> dict[str, int]:
        """Of how many cameras each node keeps these entries; "" for nodes that are not known."""
        cameras = {self._camera(name) for name in names}
        return dict(Counter(self._voice.owner(self._ids.get(one, one)) for one in cameras))


class Follower:
    """One consumer while the service runs: only what somebody is given is worded, and kept in no other form.

    :param word: makes the entries of one camera.
    :ivar names: of its entries.
    :ivar blocks: its entries, None where neither a topic nor a destination wants them; ``live``: those with logins as
        they are, None where no API takes them.
    """

    def __init__(
        self,
        settings: ConsumerSettings,
        targets: ConsumerTargets,
        word: Callable[[Options, Camera, Login | None], StreamDocument],
        names: EntryNames,
    ) -> None:
        self.settings = settings
        self.targets = targets
        self.names = names
        self.blocks: CameraBlocks | None = None
        self.live: CameraBlocks | None = None
        #: By camera, the names in the list of this consumer that the camera has.
        self._named: dict[str, frozenset[str]] = {}
        options, places, choice = settings.options, settings.destinations, settings.choice
        values = bool(places.entries or places.variables or places.topics)
        json = settings.topics is not None
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
        self.names.update(camera_id, is_known=camera is not None)
        for blocks in (self.blocks, self.live):
            if blocks is not None:
                blocks.update(camera_id, camera, login)
        named = self.settings.choice.names_of(camera) if camera is not None else frozenset()
        if named:
            self._named[camera_id] = named
        else:
            self._named.pop(camera_id, None)
