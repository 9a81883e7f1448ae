"""Makers of the notices' service, and of the ways by which they are told.

What a way needs is imported when it is switched on: most daemons have one or two.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.interfaces import IListenerMaker, IServiceExtension, MakerContext, optional
from twisted_detector.model.decisions import Decisions
from twisted_detector.model.notices import Notice, NoticeKind
from twisted_detector.mqtt.seams import ConnectionState
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.notices.document import told_document
from twisted_detector.outputs.notices.local_time import minute_of_day, time_of_day
from twisted_detector.outputs.notices.mqtt import MqttChannel
from twisted_detector.outputs.notices.quiet_hours import Holder, QuietHours
from twisted_detector.outputs.notices.rules import NoticeRules
from twisted_detector.outputs.notices.service import Fleet, NoticeService, NoticeState
from twisted_detector.outputs.notices.way import Channel, Way
from twisted_detector.outputs.topics import Topics
from twisted_detector.outputs.voice import Voice
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IStateStore
from twisted_detector.store.store import Store


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class NoticesMaker:
    """What decides which notices are told; without any way they are a list on the page."""

    name = "notices"
    needs = (Bus, Registry, Store, MqttService, HealthReport, Voice, optional(DecisionBook))
    provides = NoticeService

    def make(
        self,
        context: MakerContext,
        bus: Bus,
        registry: Registry,
        store: Store,
        mqtt: MqttService,
        report: HealthReport,
        voice: Voice,
        decisions: DecisionBook | None,
    ) -> NoticeService:
        """See :class:`IMaker`."""
        book = decisions
        notices = NoticeService(
            context.clock,
            make_state(context.config),
            fleet=Fleet(
                registry.cameras,
                lambda camera_id: book.current.of(camera_id).network if book else None,
                voice.leaves,
            ),
            store=store,
            emit=bus.emit,
            monotonic=time.monotonic,
        )

        def broker_changed(_: object = None) -> None:
            away = "" if mqtt.state is ConnectionState.CONNECTED else mqtt.client.reason or "it has not answered yet"
            notices.set_trouble(NoticeKind.BROKER, away)

        def decided(before: Decisions, after: Decisions) -> None:
            if _networks(before) != _networks(after):
                notices.reconsider()

        broker_changed()
        mqtt.add_state_listener(broker_changed)
        notices.set_trouble(NoticeKind.DISK, store.degraded)
        store.degraded_changed.add(partial(notices.set_trouble, NoticeKind.DISK))
        if decisions is not None:
            decisions.changed.add(decided)
        report.add_block("notices", notices.figures)
        return notices


@implementer(IPlugin, IServiceExtension)
class NoticeCommandMaker:
    """The command ``notices``, for all ways of asking; it is no part of its own."""

    name = "notices_command"
    needs = (NoticeService, RequestRouter, MqttCommands)

    def make(
        self, context: MakerContext, notices: NoticeService, router: RequestRouter, commands: MqttCommands
    ) -> None:
        """See :class:`IMaker`."""
        router.register("notices", notices.board.answer)
        commands.add("notices", notices.board.answer)


def make_state(config: Config) -> NoticeState:
    """The rules of the configuration, with nothing in them."""
    kinds = config.notices.kinds
    quiet = QuietHours(*config.notices.quiet_hours) if config.notices.quiet_hours else QuietHours()
    rules = NoticeRules(
        patience=config.notices.offline_minutes * 60.0,
        kinds=[kind for kind in NoticeKind if kind.value in kinds],
    )
    return NoticeState(rules, Holder(quiet, minute_of_day), kinds)


def _networks(decisions: Decisions) -> dict[str, Any]:
    return {key: one.network for key, one in decisions.cameras.items() if one.network is not None}


def _document(context: MakerContext, notice: Notice) -> dict[str, Any]:
    now = context.clock.seconds()
    return told_document(notice, lambda at: time_of_day(at, now), node_id=context.config.node_id, now=now)


def _clock(context: MakerContext, at: float) -> str:
    return time_of_day(at, context.clock.seconds())


def _way(context: MakerContext, name: str, channel: Channel, notices: NoticeService, store: IStateStore) -> Way:
    way = Way(
        context.clock,
        name,
        channel,
        per_hour=context.config.notices.per_hour,
        store=store,
        monotonic=time.monotonic,
    )
    notices.board.add(way)
    return way


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class NoticesByMqttMaker:
    """Notices on the topic ``camera/notice``; Home Assistant has them as events of the daemon's device."""

    name = "notices_mqtt"
    needs = (NoticeService, IStateStore, Topics)

    def make(self, context: MakerContext, notices: NoticeService, store: IStateStore, topics: Topics) -> Way | None:
        """See :class:`IMaker`."""
        if not context.config.notices.mqtt:
            notices.board.add_off("mqtt", "NOTICE_MQTT is false")
            return None
        channel = MqttChannel(
            context.clock, topics.notice, publish=context.publish, document=partial(_document, context)
        )
        return _way(context, "mqtt", channel, notices, store)


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class NoticesByWebhookMaker:
    """Notices as JSON to a web hook."""

    name = "notices_webhook"
    needs = (NoticeService, IStateStore)

    def make(self, context: MakerContext, notices: NoticeService, store: IStateStore) -> Way | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.notices.webhook.url:
            notices.board.add_off("webhook", "set NOTICE_WEBHOOK_URL")
            return None
        from twisted_detector.outputs.notices.http import Poster
        from twisted_detector.outputs.notices.webhook import WebhookChannel, WebhookSettings

        settings = WebhookSettings(
            config.notices.webhook.url, config.notices.webhook.token, config.notices.webhook.secret
        )
        poster = Poster(context.reactor, ca=config.notices.ca_path)
        channel = WebhookChannel(poster, settings, document=partial(_document, context))
        return _way(context, "webhook", channel, notices, store)


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class NoticesByNtfyMaker:
    """Notices on a topic of an ntfy server."""

    name = "notices_ntfy"
    needs = (NoticeService, IStateStore)

    def make(self, context: MakerContext, notices: NoticeService, store: IStateStore) -> Way | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.notices.ntfy.url:
            notices.board.add_off("ntfy", "set NTFY_URL")
            return None
        from twisted_detector.outputs.notices.http import Poster
        from twisted_detector.outputs.notices.ntfy import NtfyChannel, NtfySettings

        settings = NtfySettings(
            config.notices.ntfy.url,
            config.notices.ntfy.token,
            config.notices.ntfy.priority,
            config.notices.ntfy.tags,
        )
        poster = Poster(context.reactor, ca=config.notices.ca_path)
        return _way(context, "ntfy", NtfyChannel(poster, settings, clock=partial(_clock, context)), notices, store)


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class NoticesByMailMaker:
    """Notices by mail."""

    name = "notices_mail"
    needs = (NoticeService, IStateStore)

    def make(self, context: MakerContext, notices: NoticeService, store: IStateStore) -> Way | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.notices.mail.host:
            notices.board.add_off("mail", "set NOTICE_MAIL_HOST, NOTICE_MAIL_FROM and NOTICE_MAIL_TO")
            return None
        from twisted_detector.outputs.notices.mail import MailChannel, MailSettings

        settings = MailSettings(
            host=config.notices.mail.host,
            port=config.notices.mail.port,
            tls=config.notices.mail.tls,
            user=config.notices.mail.user,
            password=config.notices.mail.password,
            sender=config.notices.mail.sender,
            recipients=config.notices.mail.recipients,
            ca=config.notices.ca_path,
        )
        channel = MailChannel(context.reactor, settings, clock=partial(_clock, context))
        return _way(context, "mail", channel, notices, store)


@implementer(IPlugin, IListenerMaker, IServiceExtension)
class NoticesByTelegramMaker:
    """Notices by a Telegram bot."""

    name = "notices_telegram"
    needs = (NoticeService, IStateStore)

    def make(self, context: MakerContext, notices: NoticeService, store: IStateStore) -> Way | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.notices.telegram.token:
            notices.board.add_off("telegram", "set TELEGRAM_TOKEN and TELEGRAM_CHAT_ID")
            return None
        from twisted_detector.outputs.notices.http import Poster
        from twisted_detector.outputs.notices.telegram import TelegramChannel, TelegramSettings

        settings = TelegramSettings(
            config.notices.telegram.url, config.notices.telegram.token, config.notices.telegram.chat_id
        )
        channel = TelegramChannel(Poster(context.reactor), settings, clock=partial(_clock, context))
        return _way(context, "telegram", channel, notices, store)


notices = NoticesMaker()
notices_command = NoticeCommandMaker()
notices_mqtt = NoticesByMqttMaker()
notices_webhook = NoticesByWebhookMaker()
notices_ntfy = NoticesByNtfyMaker()
notices_mail = NoticesByMailMaker()
notices_telegram = NoticesByTelegramMaker()
