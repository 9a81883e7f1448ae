"""The state of notices goes in as it is kept; what can be read of it comes out."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import OFFLINE, PATIENCE, START, notice, rules, subject
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.quiet_hours import Holder, QuietHours
from twisted_detector.outputs.notices.rules import NoticeRules
from twisted_detector.outputs.notices.saved import (
    dump_notice,
    dump_rules,
    dump_waiting,
    load_rules,
    load_waiting,
    read_notice,
)


def holder() -> Holder:
    return Holder(QuietHours(), lambda at: 0)


class Saved(SynchronousTestCase):
    def written(self) -> str:
        lively, held = rules(), holder()
        lively.happened(NoticeKind.NEW, subject(7), START)
        lively.due(START + 100)
        for number in (1, 2):
            lively.observe(subject(number), OFFLINE, START)
        lively.due(START + PATIENCE)
        lively.observe(subject(1), {}, START + PATIENCE)
        lively.happened(NoticeKind.MOVED, subject(3), START + PATIENCE, reason="from 4", origin="10.0.0.4")
        held.hold([notice(NoticeKind.LOGIN, 9, id="h")])
        held.dropped = 3
        return dump_rules(lively, held)

    def read(self, text: str) -> tuple[NoticeRules, Holder]:
        read, held = rules(), holder()
        load_rules(text, read, held)
        return read, held

    def test_all(self) -> None:
        """All of it comes back: what lasts, who has ended, what is gathered, over or held, and the number of ids."""
        read, held = self.read(self.written())
        self.assertEqual(self.written(), dump_rules(read, held))
        (lasting,) = read.open.values()
        self.assertEqual([START + PATIENCE, None], [one.ended for one in lasting.members.values()])
        self.assertEqual((1, 2, 3), (lasting.missing, read.last_number, held.dropped))
        read.observe(subject(2), {}, START + 400)
        read.observe(subject(3), {}, START + 400)
        self.assertEqual([2, 1], [len(one.cameras) for one in read.due(START + 400)])

    def test_damaged(self) -> None:
        """Whatever stands there, nothing is raised, and what can be read is used."""
        whole = self.written()
        chance = random.Random(5)
        for text in ("", "nonsense", "[]", "{}", '{"open":5,"kept":[1,{}],"held":"x","gathered":[[1],["new",3]]}'):
            read, _ = self.read(text)
            self.assertEqual({}, read.open)
        for _ in range(500):
            at = chance.randrange(len(whole))
            self.read(whole[:at] + chance.choice('"[]{}0,:x') + whole[at + 1 :])
        document = json.loads(whole)
        for path in self.places(document):
            for odd in (None, [], {}, "x", -1, 1e999):
                self.read(json.dumps(self.put(document, path, odd)))

    def places(self, value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path, *(one for key, each in inner for one in self.places(each, (*path, key)))] if path else [
            one for key, each in inner for one in self.places(each, (key,))]  # fmt: skip

    def put(self, document: Any, path: tuple[Any, ...], odd: Any) -> Any:
        copy = json.loads(json.dumps(document))
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = odd
        return copy

    def test_no_date(self) -> None:
        """A time that no clock shows makes no notice: every list in which it stood would fail."""
        document = dump_notice(notice(NoticeKind.OFFLINE, 1))
        self.assertIsNotNone(read_notice(document))
        for at in (1e12, -1e12, 1e308, float("nan")):
            self.assertIsNone(read_notice(document | {"since": at}), at)
            self.assertIsNone(read_notice(document | {"until": at}), at)
        saved = json.loads(self.written())
        for group in (saved["open"], saved["gathered"]):
            for row in group[0][1]:
                row[3] = 1e300
        read, _ = self.read(json.dumps(saved))
        self.assertNotIn("1e+300", dump_rules(read, Holder(QuietHours(), int)))

    def test_notice(self) -> None:
        """Each fact of a notice comes back, with any text in it, of a summary its parts."""
        part = replace(notice(NoticeKind.OFFLINE, 1, until=START + 9, reason="r"), removed=True,
                       remaining=(NoticeSubject("b", "\ud800 name", "::1"),))  # fmt: skip
        whole = Notice("s", NoticeKind.SUMMARY, START, parts=(part, notice(NoticeKind.NEW, 2)), more=3)
        for one in (part, whole):
            self.assertEqual(one, read_notice(json.loads(json.dumps(dump_notice(one)))))
        self.assertEqual(([part, whole], 4), load_waiting(dump_waiting([part, whole], 4)))
        dump_waiting([part], 0).encode()
