"""Builder of the handlers of the page's first run: its progress, the settings, the broker's test, and the search."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from twisted.internet.error import DNSLookupError

from twisted_detector.config.config import Config
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.mqtt.settings import MqttSettings
from twisted_detector.operations.first_run.broker_test import BrokerTest, TryBroker, trial_client_id
from twisted_detector.operations.first_run.progress import FirstRunPage
from twisted_detector.operations.first_run.restart import SoftRestart
from twisted_detector.operations.first_run.settings import SettingsCommand
from twisted_detector.operations.requests import Handler, RequestRouter
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.publishing import Publishing

if TYPE_CHECKING:
    from twisted_detector.mqtt.trial import TrialResult
    from twisted_detector.operations.first_run.consumers import ConsumerSearch

#: Tells the brokers on this machine.
Brokers = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]

#: Where a broker of this machine listens, if it has one (IANA: mqtt).
_LOCAL_BROKER = ("127.0.0.1", 1883)


@dataclass(frozen=True, slots=True)
class FirstRun:
    """Handlers by name of the request, and the progress, which is not restored yet."""

    page: FirstRunPage
    handlers: Mapping[str, Handler]

    async def restore(self, router: RequestRouter, *, known: bool) -> None:
        """Take over what an earlier start kept, and answer from then on.

        :param known: whether there are cameras of an earlier run.
        """
        await self.page.restore(known=known)
        for name, handler in self.handlers.items():
            router.register(name, handler)


def make_first_run(
    reactor: Any,
    config: Config,
    ground: Ground,
    knowledge: Knowledge,
    publishing: Publishing,
    soft_restart: SoftRestart,
) -> FirstRun:
    """All of it."""
    place = publishing.broker.host, publishing.broker.port
    embedded = None if config.mqtt.broker else place

    async def try_it(settings: MqttSettings) -> TrialResult:
        from twisted_detector.mqtt.trial import try_broker  # rarely used

        return await try_broker(reactor, settings)

    @cache
    def search() -> ConsumerSearch:
        return _make_search(reactor, ground, knowledge, publishing, brokers=here)

    async def consumers(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return await search().answer(fields)

    here = partial(brokers_here, try_it, publishing.broker)
    settings = SettingsCommand(knowledge.decisions, soft_restart, running=ground.running)
    page = FirstRunPage(ground.store, knowledge.registry)
    test = BrokerTest(settings, try_it, embedded=lambda: embedded)
    handlers = {
        "settings": settings.answer,
        "broker-test": test.answer,
        "consumers": consumers,
        "first-run": page.answer,
    }
    return FirstRun(page, handlers)


def _make_search(
    reactor: Any, ground: Ground, knowledge: Knowledge, publishing: Publishing, *, brokers: Brokers
) -> ConsumerSearch:
    """The search, whose modules are loaded when a person first wants one: many a daemon never does."""
    from twisted_detector.discovery.mdns.programs import ProgramSearch
    from twisted_detector.operations.first_run.consumers import MAX_ANSWER, REQUEST_SECONDS, ConsumerSearch, Places
    from twisted_detector.outputs.sync.http import HttpClient, HttpRequest, HttpResponse

    def fetch(base: str, request: HttpRequest, *, insecure: bool = False) -> Awaitable[HttpResponse]:
        client = HttpClient(reactor, base, insecure=insecure, timeout=REQUEST_SECONDS, most=MAX_ANSWER)
        return client.request(request)

    announcements = ProgramSearch(reactor, ground.neighbours, limiter=ground.rate_limiter)
    return ConsumerSearch(
        reactor,
        Places(
            neighbours=ground.neighbours.known,
            announced=announcements.addresses,
            broker=partial(_address, reactor, publishing.broker.host),
            excluded=ground.exclusions,
            cameras=lambda: [one.address for one in knowledge.registry.cameras()],
        ),
        fetch,
        acquire=ground.rate_limiter.acquire,
        brokers=brokers,
    )


async def brokers_here(try_broker: TryBroker, in_use: BrokerPlace) -> Sequence[Mapping[str, Any]]:
    """A broker at its port on this machine, which is neither ours nor the configured one; ``used``: it is used already.

    One that is not in use is asked: one connection, without a login.
    """
    host, port = _LOCAL_BROKER
    if (in_use.host, in_use.port) == _LOCAL_BROKER:
        return ({"host": host, "port": port, "login": False, "used": True},) if in_use.kind == "found" else ()
    result = await try_broker(MqttSettings(host=host, port=port, client_id=trial_client_id()))
    if not result.accepted and not result.refused:
        return ()
    return ({"host": host, "port": port, "login": result.refused, "used": False},)


async def _address(reactor: Any, host: str) -> str:
    """The IPv4 address of the broker's host; "" where its name is not known."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return str(await reactor.resolve(host, timeout=(1, 1)))
    except DNSLookupError:
        return ""
