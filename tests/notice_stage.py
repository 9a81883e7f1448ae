"""Notices of a stage, for the browser tests: the real list and ways, over channels that do as they are told."""

from __future__ import annotations

import time
from typing import Any

from twisted_detector import events
from twisted_detector.model import Camera
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.board import NoticeBoard
from twisted_detector.outputs.notices.way import DeliveryFailed, Way
from twisted_detector.testing.doubles import MemoryStateStore


class StagedChannel:
    """Takes a test, or refuses it with ``fault``."""

    def __init__(self, words: str, fault: str = "") -> None:
        self._words, self._fault = words, fault

    async def send(self, notice: Notice) -> None:
        if self._fault:
            raise DeliveryFailed(self._fault)

    async def test(self, notice: Notice) -> str:
        await self.send(notice)
        return self._words


class NoticeStage:
    """Two ways that are on, of which one refuses, and one that is off; two notices, one of them open."""

    def __init__(self, cameras: list[Camera], emit: Any, reactor: Any) -> None:
        self._emit, self._reactor = emit, reactor
        now = reactor.seconds()
        subjects = [NoticeSubject(one.id, one.name, one.address) for one in cameras]
        self.notices = [
            Notice("2", NoticeKind.OFFLINE, now - 900, cameras=tuple(subjects[:12]), network="192.168.1.0/24"),
            Notice("1", NoticeKind.FROZEN, now - 9000, now - 8000, cameras=tuple(subjects[3:4])),
        ]
        self.board = NoticeBoard(lambda: self.notices, lambda at: time.strftime("%H:%M", time.gmtime(at)))
        for name, channel in (
            ("ntfy", StagedChannel("the ntfy server accepted a test notice")),
            ("mail", StagedChannel("", "the server refuses the login: 535; check NOTICE_MAIL_PASSWORD")),
        ):
            store = MemoryStateStore()
            self.board.add(Way(reactor, name, channel, per_hour=30, store=store, monotonic=time.monotonic))
        self.board.add_off("telegram", "set TELEGRAM_TOKEN and TELEGRAM_CHAT_ID")

    @property
    def open_count(self) -> int:
        return sum(one.until is None for one in self.notices)

    def tell(self, name: str) -> None:
        """A camera that calls itself so is offline, and open pages hear of it."""
        now = self._reactor.seconds()
        subject = NoticeSubject("00408c000001", name, "192.168.1.21")
        notice = Notice(str(len(self.notices) + 1), NoticeKind.OFFLINE, now, cameras=(subject,))
        self.notices.insert(0, notice)
        self._emit(events.NoticeTold(now, notice))
