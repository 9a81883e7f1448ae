"""Makers get what they declare to need, stage by stage; one that cannot be called hurts no other."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import fields
from types import SimpleNamespace, UnionType
from typing import Any, get_args, get_type_hints

from twisted.plugin import IPlugin
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.plugins.case import Site
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IEventListener,
    IInspectorMaker,
    IListenerMaker,
    IMaker,
    INeighbours,
    IOutputMaker,
    IServiceExtension,
    IWatcherMaker,
    MakerContext,
    optional,
)
from twisted_detector.model import Message
from twisted_detector.plugins.builtin import OnvifMaker
from twisted_detector.plugins.builtin_homeassistant import HomeAssistantMaker
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IPictures
from twisted_detector.service.detection import detection_offers
from twisted_detector.service.extensions import loader
from twisted_detector.service.extensions.assembly import PluginAssembly
from twisted_detector.service.extensions.order import order, read_declaration
from twisted_detector.service.extensions.record import MAX_FAULTS
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.operations import Operations
from twisted_detector.service.publishing import Publishing
from twisted_detector.testing.doubles import RecordingListener
from twisted_detector.testing.lan import MemoryNeighbours


class Thing:
    """What somebody provides."""


class IEarlyMaker(IMaker):
    """Makers of an early stage, and of what one likes."""


class IStageMaker(IMaker):
    """Makers of a stage, and of what one likes."""


def maker(name: str, *kinds: Any, make: Callable[..., Any], **declared: Any) -> Any:
    """A maker of these kinds, of a stage when none are given."""
    made = implementer(IPlugin, *(kinds or (IStageMaker,)))(type("Maker", (), declared | {"name": name}))()
    made.make = make
    return made


class AssemblyCase(Site):
    def assembly(self, *makers: Any) -> PluginAssembly:
        def of_kind(kind: Any, wanted: Any = ()) -> list[Any]:
            return [one for one in makers if kind.providedBy(one)]

        self.patch(loader, "makers", of_kind)
        self.patch(loader, "broken", lambda wanted: {})
        self.lines: list[str] = []
        self.patch(PluginAssembly, "log", SimpleNamespace(error=self.note, failure=self.note))
        config = SimpleNamespace(plugin_path=(), plugins=(), plugin_settings={"mine": {"a": "1"}})
        return PluginAssembly(MakerContext(self.clock, config, {}, self.publisher.publish, self.subscriber.subscribe))

    def note(self, text: str, **named: Any) -> None:
        self.lines.append(text.format(**named))

    def make(self, *makers: Any) -> list[Any]:
        return self.assembly(*makers).make(IStageMaker)[0]


class AssemblyTests(AssemblyCase):
    def test_needed(self) -> None:
        """A maker gets the context with its settings, then the parts that it needs in the order of its declaration."""
        neighbours = MemoryNeighbours()
        got: list[Any] = []
        mine = maker("mine", make=lambda *given: got.extend(given), needs=(optional(Thing), INeighbours))
        assembly = self.assembly(mine)
        assembly.offer({INeighbours: neighbours})
        self.assertEqual(([],), assembly.make(IStageMaker))
        self.assertEqual(({"a": "1"}, None, neighbours), (got[0].settings, *got[1:]))

    def test_provided_by_another(self) -> None:
        """What one maker makes is given to those that need it, whatever their names, in later stages as well."""
        thing = Thing()
        later = maker("a", make=lambda context, given: given, needs=(Thing,))
        early = maker("b", IEarlyMaker, make=lambda context, given: given, needs=(Thing,))
        assembly = self.assembly(later, early, maker("z", IEarlyMaker, make=lambda context: thing, provides=Thing))
        self.assertEqual(([thing, thing],), assembly.make(IEarlyMaker))
        self.assertEqual(([thing],), assembly.make(IStageMaker))

    def test_two_kinds(self) -> None:
        """A maker of two kinds makes one part, which is both."""
        both = maker("both", IListenerMaker, IStageMaker, make=lambda context: RecordingListener())
        (listener,), (extension,) = self.assembly(both).make(IListenerMaker, IStageMaker)
        self.assertIs(listener, extension)

    def test_no_part(self) -> None:
        """What is none of its kind's, or lacks what it is called by, is left out, and the others are made."""
        listens = maker("listens", IListenerMaker, make=lambda context: RecordingListener())

        async def late(context: MakerContext) -> RecordingListener:
            return RecordingListener()

        for kind, make, words in (
            (IListenerMaker, lambda context: 5, "what it makes is int, and none of what its kind makes"),
            (IListenerMaker, lambda context: RecordingListener, "none of what its kind makes"),
            (IListenerMaker, late, "what it makes is coroutine"),
            (IDiscovererMaker, lambda context: SimpleNamespace(sweep=print), "what it makes has no name"),
            (IOutputMaker, lambda context: SimpleNamespace(name="x"), "what it makes has no messages"),
            (IWatcherMaker, lambda context: SimpleNamespace(name="x", startWatching=print), "has no stopWatching"),
            (IServiceExtension, lambda context: SimpleNamespace(startService=print), "has no stopService"),
        ):
            wrong = maker("wrong", kind, make=make)
            assembly = self.assembly(wrong, listens)
            made = assembly.make(*dict.fromkeys((kind, IListenerMaker)))
            self.assertEqual(1, sum(map(len, made)))
            [line] = self.lines
            self.assertIn(words, line)
            self.assertIn(words, assembly.supervision.record("wrong").why)

    def test_missing(self) -> None:
        """Without what it needs a plugin alone is left out; the log names both, and who was to provide it."""
        off = maker("off", make=lambda context: None, provides=Thing)
        wants = maker("wants", make=lambda context, thing: "made", needs=(Thing,))
        likes = maker("likes", make=lambda context, thing: ("made", thing), needs=(optional(Thing),))
        lost = maker("lost", make=lambda context, given: given, needs=(INeighbours,))
        self.assertEqual([("made", None)], self.make(off, wants, likes, lost))
        self.assertEqual(
            [
                "Plugin lost is left out: it needs INeighbours, which nobody provides before it is made",
                "Plugin wants is left out: it needs Thing, which nobody provides before it is made"
                " (off was to provide it)",
            ],
            self.lines,
        )

    def test_fails(self) -> None:
        """A maker that raises, or whose make takes something else than it needs, is left out, the others are made."""
        assembly = self.assembly(
            maker("raises", make=lambda context: 1 / 0),
            maker("takes", make=lambda context, thing: thing),
            maker("well", make=lambda context: "made"),
        )
        self.assertEqual((["made"],), assembly.make(IStageMaker))
        self.assertEqual(
            [f"Plugin {name} could not be made and is left out" for name in ("raises", "takes")], self.lines
        )

    def test_circle(self) -> None:
        """Of two that need each other one is left out for the circle, the other for what it does not get."""
        self.assertEqual(
            ["well"],
            self.make(
                maker("one", make=lambda *_: Thing(), needs=(IPictures,), provides=Thing),
                maker("two", make=lambda *_: Thing(), needs=(Thing,), provides=IPictures),
                maker("well", make=lambda context: "well"),
            ),
        )
        self.assertEqual(2, len(self.lines))
        self.assertIn(
            "Plugin two is left out: what it needs is made of what it makes: two comes after one", self.lines[0]
        )
        self.assertIn("Plugin one is left out: it needs IPictures", self.lines[1])

    def test_twice_provided(self) -> None:
        """What is there already is not replaced, be it the daemon's own or another plugin's."""
        first, second = (maker(name, make=lambda context: Thing(), provides=Thing) for name in ("first", "second"))
        assembly = self.assembly(first, second, maker("third", make=lambda context: 0, provides=INeighbours))
        assembly.offer({INeighbours: MemoryNeighbours()})
        self.assertEqual(1, len(assembly.make(IStageMaker)[0]))
        self.assertEqual(["Thing, which is there already", "INeighbours, which is there already"],
                         [line.partition("provides ")[2] for line in self.lines])  # fmt: skip

    def test_provides_something_else(self) -> None:
        """What is not what its maker declared is not given to others, nor used."""
        liar = maker("liar", make=lambda context: "text", provides=IPictures)
        user = maker("user", make=lambda context, pictures: pictures, needs=(IPictures,))
        self.assertEqual([], self.make(liar, user))
        self.assertIn("Plugin liar is left out: it declares to provide IPictures, and makes something else", self.lines)

    def test_nonsense(self) -> None:
        """A declaration that is none costs its own plugin."""
        self.assertEqual(["well"], self.make(maker("odd", make=lambda context: 1, needs="Registry"),
                                             maker("well", make=lambda context: "well")))  # fmt: skip
        self.assertIn("Plugin odd is left out", self.lines[0])

    def test_unhashable(self) -> None:
        """A maker with an equality of its own is a maker."""
        odd = maker("odd", make=lambda context: "made", __eq__=lambda self, other: False, __hash__=None)
        self.assertEqual(["made"], self.make(odd))


#: The daemon's stages: what each offers, and the kinds that are made after it.
STAGES: tuple[tuple[Callable[[], Any], tuple[Any, ...]], ...] = (
    (lambda: {**_hollow(Ground).offers, **_hollow(Knowledge).offers, **_hollow(Publishing).offers}, (IOutputMaker,)),
    (dict, (IDiscovererMaker, IWatcherMaker, IInspectorMaker)),
    (
        lambda: {**detection_offers(SimpleNamespace(detector=0, runner=0)), **_hollow(Operations).offers},  # type: ignore[arg-type]
        (IListenerMaker, IServiceExtension),
    ),
)


def _hollow(stage: Any) -> Any:
    """A stage that is made of nothing; its offers name what it would offer."""
    return stage(**{one.name: None for one in fields(stage)})


class SupervisedTests(AssemblyCase):
    """Parts of users' plugins are supervised, those of ours are handed on as they are."""

    def test_guarded(self) -> None:
        """A user's part is behind a guard, named by its maker: one that raises is disabled, and the records tell."""

        @implementer(IEventListener)
        class Raising:
            def handle(self, event: Any) -> None:
                raise ValueError(event)

        assembly = self.assembly(maker("mine", IListenerMaker, make=lambda context: Raising()))
        ((listener,),) = assembly.make(IListenerMaker)
        self.assertTrue(IEventListener.providedBy(listener))
        for _ in range(MAX_FAULTS):
            self.assertRaises(ValueError, listener.handle, "event")
        listener.handle("event")
        record = assembly.supervision.records["mine"]
        self.assertEqual((True, MAX_FAULTS), (record.made, record.faults))
        self.assertTrue(record.disabled)

    def test_its_context(self) -> None:
        """What a user's plugin publishes, by its context or by what it needs, counts as its own."""
        mqtt = SimpleNamespace(publish=self.publisher.publish, subscribe=self.subscriber.subscribe)

        def make(context: MakerContext, needed: Any) -> None:
            for publish in (context.publish, needed.publish):
                publish(Message("t", b""))

        assembly = self.assembly(maker("mine", make=make, needs=(Thing,)))
        assembly.offer({Thing: mqtt})
        assembly.make(IStageMaker)
        self.assertEqual(2, assembly.supervision.records["mine"].counts["published"])

    def test_ours(self) -> None:
        """A part of ours is not slowed down by a guard."""
        part = RecordingListener()
        ours = maker("ours", IListenerMaker, make=lambda context: part)
        self.patch(loader, "is_builtin", lambda one: True)
        ((listener,),) = self.assembly(ours).make(IListenerMaker)
        self.assertIs(part, listener)

    def test_reasons(self) -> None:
        """Why one was left out, or could not be made, is in its record, without the text of an error."""
        assembly = self.assembly(
            maker("raises", make=lambda context: {}["canary"]), maker("lost", make=lambda context: 1, needs=(Thing,))
        )
        assembly.make(IStageMaker)
        records = assembly.supervision.records
        self.assertRegex(records["raises"].why, r"could not be made: KeyError in test_assembly.py, line \d+;")
        self.assertIn("it needs Thing", records["lost"].why)
        self.assertNotIn("canary", records["raises"].why)


class BuiltinTests(SynchronousTestCase):
    def ours(self, *kinds: Any) -> list[Any]:
        found = [one for kind in kinds for one in loader.makers(kind) if loader.is_builtin(one)]
        return list({id(one): one for one in found}.values())

    def test_signatures(self) -> None:
        """``needs`` of each of ours is what its ``make`` takes, so that "go to definition" leads where the part is."""
        kinds = [kind for _, made in STAGES for kind in made]
        for one in self.ours(*kinds):
            hints = get_type_hints(type(one).make)
            taken = [hints[name] for name in list(inspect.signature(one.make).parameters)[1:]]
            expected = [
                (get_args(hint)[0], True) if isinstance(hint, UnionType) or len(get_args(hint)) == 2 else (hint, False)
                for hint in taken
            ]
            declaration = read_declaration(one, is_builtin=True)
            self.assertEqual(expected, list(declaration.needs), one.name)

    def test_all_is_offered(self) -> None:
        """What ours need is offered, or provided by another one, before they are made; there is no circle."""
        there: set[Any] = set()
        for offers, kinds in STAGES:
            there |= set(offers())
            found, left_out = order([read_declaration(one, is_builtin=True) for one in self.ours(*kinds)])
            self.assertEqual({}, left_out)
            for one in found:
                self.assertEqual([], [kind for kind, _ in one.needs if kind not in there], one.name)
                there |= {one.provides} - {None}

    def test_documented(self) -> None:
        """The plugin author's page shows a maker that can be made, and names at each stage what is offered by then."""
        page = (loader.CHECKOUT_PLUGINS.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
        (source,) = [one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "needs = " in one]
        names: dict[str, Any] = {"implementer": implementer, "IPlugin": IPlugin, "Gallery": SimpleNamespace}
        exec(source.replace("Gallery(registry, pictures)", "(registry, pictures)"), names)
        one = read_declaration(names["Maker"](), is_builtin=False)
        self.assertEqual((((Registry, False), (IPictures, True)), SimpleNamespace, ("jsonl",)),
                         (one.needs, one.provides, one.before))  # fmt: skip
        self.assertEqual((1, 2), one.maker.make(None, 1, 2))
        there: set[str] = set()
        rows = re.findall(r"^\| ([123]) \|.*\|(.*)\|$", page, re.MULTILINE)
        self.assertEqual(["1", "2", "3"], [number for number, _ in rows])
        for (_, row), (offers, _) in zip(rows, STAGES, strict=True):
            there |= {kind.__name__ for kind in offers()} | {"IPictures"}
            self.assertEqual(set(), set(re.findall(r"`([A-Z]\w+)`", row)) - there)

    def test_order(self) -> None:
        """Home Assistant's output words an event before our topics do, and ONVIF is asked before RTSP."""

        def names(kind: Any) -> list[str]:
            return [one.name for one in order([read_declaration(m, is_builtin=True) for m in self.ours(kind)])[0]]

        self.assertEqual(["homeassistant", "topics"], names(IOutputMaker))
        self.assertEqual(["onvif", "rtsp"], names(IInspectorMaker))
        self.assertEqual((("topics",), ("rtsp",)), (HomeAssistantMaker.before, OnvifMaker.before))

    def test_interface(self) -> None:
        """All of ours are makers with a name."""
        for _, kinds in STAGES:
            for one in self.ours(*kinds):
                self.assertTrue(IMaker.providedBy(one) and one.name)
