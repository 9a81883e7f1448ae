"""The search for Home Assistant, Frigate, go2rtc: what the real ones answer is found, what others answer is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.peers.exchange import Answer, Request
from tests.peers.frigate import RECORDED, Frigate
from tests.peers.go2rtc import VERSIONS, Go2rtc
from tests.recordings import SKIP, recordings, versions
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model.addresses import Exclusions
from twisted_detector.operations.first_run.consumers import MAX_HOSTS, SEARCH_SECONDS, ConsumerSearch, Places
from twisted_detector.outputs.sync.http import HttpRequest, HttpResponse
from twisted_detector.outputs.sync.seams import TargetUnavailable

#: What Home Assistant's frontend says (``frontend/__init__.py``, MANIFEST_JSON), as far as it is looked at.
MANIFEST = {"background_color": "#FFFFFF", "dir": "ltr", "display": "standalone", "name": "Home Assistant"}


def page(text: str, status: int = 200) -> Answer:
    return Answer(status, [("Content-Type", "text/plain")], text.encode())


class SearchCase(SynchronousTestCase):
    """A network on which ``servers`` stand, by host and port."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.servers: dict[tuple[str, int], Callable[[Request], Answer]] = {}
        self.asked: list[str] = []
        self.secure: list[str] = []
        self.packets = 0
        self.neighbours: Iterable[str] = ()
        self.announced: Sequence[str] = ()
        self.broker = "127.0.0.1"
        self.excluded = Exclusions(())
        self.cameras: Iterable[str] = ()
        self.here: Sequence[Mapping[str, Any]] = ()

    async def fetch(self, base: str, request: HttpRequest, *, insecure: bool = False) -> HttpResponse:
        parts = urlsplit(base)
        self.asked.append(f"{parts.hostname}:{parts.port}{request.path}")
        self.assertEqual(("GET", {}, None), (request.method, dict(request.headers), request.body))
        self.assertEqual(insecure, parts.scheme == "https")
        server = self.servers.get((parts.hostname or "", parts.port or 0))
        if server is None:
            raise TargetUnavailable("it does not answer")
        answer = server(Request("GET", request.path, client="10.77.0.9", port=parts.port or 0))
        if answer.silent:
            await Deferred()
        challenge = next((value for name, value in answer.headers if name.lower() == "www-authenticate"), "")
        return HttpResponse(answer.status, {}, answer.body, challenge)

    def acquire(self, *, by: str, packets: int) -> Deferred[None]:
        self.packets += packets
        return succeed(None)

    def search(self) -> ConsumerSearch:
        async def announced() -> Sequence[str]:
            return self.announced

        async def broker() -> str:
            return self.broker

        async def here() -> Sequence[Mapping[str, Any]]:
            return self.here

        places = Places(lambda: self.neighbours, announced, broker, self.excluded, lambda: self.cameras)
        return ConsumerSearch(self.clock, places, self.fetch, acquire=self.acquire, brokers=here)

    def answer(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.successResultOf(Deferred.fromCoroutine(self.search().answer({})))
        return found

    def found(self) -> list[tuple[str, str, str, bool]]:
        return [(one["program"], one["url"], one["version"], one["login"]) for one in self.answer()["consumers"]]

    def hosts(self) -> set[str]:
        self.asked.clear()
        self.answer()
        return {one.partition(":")[0] for one in self.asked}


class Programs(SearchCase):
    def test_go2rtc(self) -> None:
        """By its API, in every version; one with a login says so."""
        for version in VERSIONS:
            self.servers = {("127.0.0.1", 1984): Go2rtc(version=version).answer}
            self.assertEqual([("go2rtc", "http://127.0.0.1:1984", version, False)], self.found())
        self.servers = {("127.0.0.1", 1984): Go2rtc(login="u:p", local_auth=True).answer}
        self.assertEqual([("go2rtc", "http://127.0.0.1:1984", "", True)], self.found())

    def test_frigate(self) -> None:
        """By its version at port 5000; else at the port that wants a login, with its own certificate."""
        for version in RECORDED:
            self.servers = {("127.0.0.1", 5000): Frigate(version=version).answer}
            self.assertEqual([("frigate", "http://127.0.0.1:5000", version, False)], self.found())
        self.servers = {("127.0.0.1", 8971): Frigate(users={"admin": ("p", "admin")}).answer}
        self.assertEqual([("frigate", "https://127.0.0.1:8971", "", True)], self.found())
        (told,) = self.answer()["consumers"]
        self.assertEqual({"FRIGATE_URL": "https://127.0.0.1:8971", "FRIGATE_TLS_INSECURE": "true"}, told["settings"])

    def test_frigate_that_starts(self) -> None:
        """One that is not up yet is not found: nothing is known of it."""
        self.servers = {("127.0.0.1", port): Frigate(starting=True).answer for port in (5000, 8971)}
        self.assertEqual([], self.found())

    def test_home_assistant(self) -> None:
        """By the manifest of its page, here and where it announced itself."""
        home = lambda request: page(json.dumps(MANIFEST) if request.path == "/manifest.json" else "", 200)  # noqa: E731
        self.announced = ("10.0.0.66",)
        self.servers = {("10.0.0.66", 8123): home}
        self.assertEqual([("homeassistant", "http://10.0.0.66:8123", "", False)], self.found())

    def test_others(self) -> None:
        """A web page, other JSON, a version that is none, a refusal, rubbish: none is taken for one of them."""
        for answer in (
            page("<html><title>Frigate</title>"),
            page("[1, 2]"),
            page('{"name": "Other", "version": 3}'),
            page('{"version": "1.9.14"}'),
            page("1" * 5000),
            page("0.17.2-<script>"),
            page("", 204),
            page("Unauthorized\n", 401),
            Answer(200, [], b"\xff\xfe" * 40),
            page("[" * 100_000),
        ):
            self.servers = {("127.0.0.1", port): lambda request, told=answer: told for port in (1984, 5000, 8123, 8971)}
            self.assertEqual([], self.found())

    def test_in_clear(self) -> None:
        """That the cameras' logins would go over the network in clear is told with the place."""
        self.neighbours = ("192.168.1.7",)
        for host in ("127.0.0.1", "192.168.1.7"):
            self.servers[host, 1984] = Go2rtc().answer
        self.servers["192.168.1.7", 8971] = Frigate(users={"admin": ("p", "admin")}).answer
        clear = {one["url"]: one["clear"] for one in self.answer()["consumers"]}
        self.assertEqual(
            {"http://127.0.0.1:1984": False, "http://192.168.1.7:1984": True, "https://192.168.1.7:8971": False}, clear
        )

    def test_this_machine_first(self) -> None:
        """Of several of one kind the likeliest comes first."""
        self.neighbours, self.broker = ("192.168.1.3", "192.168.1.9"), "192.168.1.9"
        for host in ("192.168.1.3", "192.168.1.9", "127.0.0.1"):
            self.servers[host, 1984] = Go2rtc().answer
        urls = [urlsplit(url).hostname for _, url, _, _ in self.found()]
        self.assertEqual(["127.0.0.1", "192.168.1.9", "192.168.1.3"], urls)


class Politeness(SearchCase):
    def test_who_is_asked(self) -> None:
        """This machine, the broker's host, neighbours and who announced himself: private addresses, not excluded."""
        self.broker, self.announced = "192.168.1.2", ("192.168.1.3",)
        self.neighbours = ("192.168.1.4", "192.168.1.5", "192.168.1.6", "8.8.8.8", "fe80::1%eth0", "169.254.169.254")
        self.excluded, self.cameras = Exclusions(("192.168.1.5",)), ("192.168.1.6",)
        self.assertEqual({"127.0.0.1", *(f"192.168.1.{n}" for n in (2, 3, 4))}, self.hosts())
        self.excluded = Exclusions(("192.168.1.0/24",))
        self.assertEqual({"127.0.0.1"}, self.hosts())

    def test_bounds(self) -> None:
        """At most so many hosts, each with one request a port at most, and each charged before it is sent."""
        self.neighbours = [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(3 * MAX_HOSTS)]
        self.assertEqual(MAX_HOSTS, len(self.hosts()))
        self.assertEqual(len(set(self.asked)), len(self.asked))
        self.assertLessEqual(len(self.asked), 4 * MAX_HOSTS)
        self.assertEqual(6 * len(self.asked), self.packets)

    def test_a_host_that_does_not_end(self) -> None:
        """Who keeps the search waiting ends with it, and hides nobody."""
        self.neighbours = ("10.0.0.2",)
        self.servers = {("10.0.0.2", 5000): lambda request: Answer(200, silent=True)}
        self.servers["127.0.0.1", 1984] = Go2rtc().answer
        searching = Deferred.fromCoroutine(self.search().answer({}))
        self.clock.advance(SEARCH_SECONDS - 0.1)
        self.assertNoResult(searching)
        self.clock.advance(0.1)
        self.assertEqual(["go2rtc"], [one["program"] for one in self.successResultOf(searching)["consumers"]])
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_one_at_a_time(self) -> None:
        """A second search while one runs is refused."""
        self.servers = {("127.0.0.1", 5000): lambda request: Answer(200, silent=True)}
        search = self.search()
        first = Deferred.fromCoroutine(search.answer({}))
        self.failureResultOf(Deferred.fromCoroutine(search.answer({})), RemoteError)
        self.clock.advance(SEARCH_SECONDS)
        self.successResultOf(first)
        again = Deferred.fromCoroutine(search.answer({}))
        self.clock.advance(SEARCH_SECONDS)
        self.successResultOf(again)

    def test_no_interfaces(self) -> None:
        """Where the announcements cannot be asked for, the rest is searched."""

        async def announced() -> Sequence[str]:
            raise LocalError("the kernel did not tell its interfaces")

        async def broker() -> str:
            return ""

        places = Places(lambda: (), announced, broker)
        self.assertEqual(["127.0.0.1"], self.successResultOf(Deferred.fromCoroutine(places.hosts())))

    def test_brokers(self) -> None:
        """A broker on this machine is told as it was found."""
        self.here = ({"host": "127.0.0.1", "port": 1883, "login": True},)
        self.assertEqual([dict(self.here[0])], self.answer()["brokers"])


class Recordings(SearchCase):
    skip = SKIP or None

    def test_the_real_ones(self) -> None:
        """What go2rtc and Frigate really answered is found, in every version."""
        for folder in versions("go2rtc"):
            told = recordings(folder)
            for what, login in (("api", False), ("login_missing_api", True)):
                answer = told[what].answer
                self.servers = {("127.0.0.1", 1984): lambda request, answer=answer: answer}
                self.assertEqual([("go2rtc", login)], [(one[0], one[3]) for one in self.found()], f"{folder} {what}")
        for folder in versions("frigate"):
            told = recordings(folder)
            for port, what, login in ((5000, "version", False), (8971, "p8971_no_login_version", True)):
                answer = told[what].answer
                self.servers = {("127.0.0.1", port): lambda request, answer=answer: answer}
                self.assertEqual([("frigate", login)], [(one[0], one[3]) for one in self.found()], f"{folder} {what}")
