"""Reload: configuration and decisions are read again, one reload at a time, and a fault changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from txaio.tx import get_global_log_level, set_global_log_level

from tests.config.case import read
from twisted_detector.config.page_settings import FILE
from twisted_detector.config.running import RunningConfig
from twisted_detector.errors import ConfigError, RemoteError
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.first_run.restart import RestartRequest, SoftRestart
from twisted_detector.service.reload import MAX_ASKING, Reloader

SECRET = "s3cr3t-of-the-barn"


class ReloadCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(set_global_log_level, get_global_log_level())
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)
        self.environ: dict[str, str] = {"SCAN_NETWORKS": "10.0.0.0/24"}
        self.reads = 0
        self.running = RunningConfig(read(self.environ))
        self.changes: list[tuple[Any, Any]] = []
        self.running.changed.add(lambda before, after: self.changes.append((before, after)))
        self.restarts: list[RestartRequest] = []
        self.restart = SoftRestart(self.load)
        self.restart.requested.add(self.restarts.append)
        self.book = DecisionBook(self.folder, in_thread=maybeDeferred)
        self.reloader = Reloader(self.running, self.book, restart=self.restart, in_thread=self.in_thread)
        self.waiting: list[Callable[[], None]] | None = None
        self.lines: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: dict[str, Any]) -> None:
        if str(event.get("log_namespace")).endswith("Reloader"):
            self.lines.append(f"{event['log_level'].name} {formatEvent(event)}")

    def load(self, **more: Any) -> Any:
        self.reads += 1
        return read(self.environ)

    def in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        if self.waiting is None:
            return maybeDeferred(work)
        done: Deferred[Any] = Deferred()
        worked = maybeDeferred(work)
        self.waiting.append(lambda: worked.chainDeferred(done))
        return done

    def begin(self, **fields: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.reloader.execute(fields))

    def reload(self, **fields: Any) -> dict[str, Any]:
        answer = dict(self.successResultOf(self.begin(**fields)))
        self.assertNotIn(SECRET, repr((answer, self.lines)))
        return answer


class ReloadTests(ReloadCase):
    def test_nothing(self) -> None:
        """Where nothing changed nobody is told, and the log says so."""
        self.assertEqual({"changed": [], "restart": [], "faults": [], "restarting": False}, self.reload())
        self.assertEqual((["info Reloaded: nothing has changed"], []), (self.lines, self.changes))

    def test_all_that_is_followed(self) -> None:
        """Each change is told and holds at once; the log has each, too."""
        self.environ |= {
            "SCAN_NETWORKS": "10.20.0.0/24", "LOG_LEVEL": "debug", "SCAN_RATE": "77",
            "CAMERA_CREDENTIALS": f"viewer:{SECRET}",
        }  # fmt: skip
        answer = self.reload()
        self.assertEqual(
            [
                "SCAN_NETWORKS: 10.20.0.0/24 added", "SCAN_NETWORKS: 10.0.0.0/24 removed", "SCAN_RATE is 77",
                "LOG_LEVEL is debug", "1 login added",
            ],
            answer["changed"],
        )  # fmt: skip
        self.assertEqual([f"info Reloaded: {one}" for one in answer["changed"]], self.lines)
        self.assertEqual(("debug", 1), (get_global_log_level(), len(self.changes)))
        self.assertEqual(77, self.running.current.discovery.scan_rate)
        self.assertEqual([], self.reload()["changed"])

    def test_restart(self) -> None:
        """What needs a restart is named until there was one, and is not in use; who wants it has it begun."""
        self.environ |= {"MQTT_BROKER": "10.0.0.2", "MQTT_PASSWORD": SECRET, "MQTT_USERNAME": "a"}
        for _ in range(2):
            answer = self.reload()
            self.assertEqual({"MQTT_BROKER", "MQTT_PASSWORD", "MQTT_USERNAME"}, set(answer["restart"]))
        self.assertEqual(("", [], []), (self.running.current.mqtt.broker, self.restarts, answer["changed"]))
        self.assertIn("warn A restart is needed for MQTT_BROKER", self.lines[0])
        self.assertTrue(self.reload(restart=True)["restarting"])
        self.assertEqual([set(answer["restart"])], [set(one.settings) for one in self.restarts])
        self.failureResultOf(self.begin(restart="yes"), RemoteError)

    def test_no_restart(self) -> None:
        """Where nothing needs a restart there is none."""
        self.environ["LOG_LEVEL"] = "warn"
        self.assertFalse(self.reload(restart=True)["restarting"])
        self.assertEqual([], self.restarts)

    def test_faults(self) -> None:
        """A configuration with faults changes nothing, not the decisions either; each fault is told and logged."""
        (self.folder / FILE).write_text('[camera.a]\nname = "Barn"\n')
        self.environ |= {
            "SCAN_NETWORKS": "barn",
            "MQTT_PORT": "x",
            "LOG_LEVEL": "debug",
            "MQTT_PASSWORD": f"{SECRET}\n",
        }
        answer = self.reload(restart=True)
        self.assertEqual(([], [], False), (answer["changed"], answer["restart"], answer["restarting"]))
        self.assertEqual(3, len(answer["faults"]), answer["faults"])
        self.assertEqual(3, sum("Nothing was changed" in line for line in self.lines))
        self.assertEqual(([], {}), (self.changes, dict(self.book.current.cameras)))
        self.assertEqual([], self.restarts)
        self.environ = {"LOG_LEVEL": "warn"}
        self.assertIn("LOG_LEVEL is warn", self.reload()["changed"])

    def test_decisions(self) -> None:
        """What a person edited is told; an entry with a mistake is left out and named, the rest holds."""
        (self.folder / FILE).write_text(
            f'[camera.a]\nname = "Barn"\narea = 5\nlogin = "viewer:{SECRET}"\n[logins]\ndefault = ["{SECRET}"]\n'
        )
        answer = self.reload()
        self.assertEqual(["camera a: name is Barn", "camera a: login is user viewer"], answer["changed"])
        self.assertEqual(2, len(answer["faults"]))
        self.assertEqual("Barn", self.book.current.of("a").description.name)
        (self.folder / FILE).write_text(f'login = "{SECRET}')
        answer = self.reload()
        self.assertIn("it is not valid TOML", answer["faults"][0])
        self.assertEqual("Barn", self.book.current.of("a").description.name)

    def test_a_fault_of_ours(self) -> None:
        """A fault of this program is answered without its words, logged, and the next reload works."""
        self.restart.load = self.fail_to_load
        answer = self.reload()
        self.assertIn("an internal error of camdetect", answer["faults"][0])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.restart.load = self.load
        self.assertEqual([], self.reload()["faults"])

    def fail_to_load(self, **more: Any) -> Any:
        raise ZeroDivisionError(SECRET)


class StormTests(ReloadCase):
    def run_threads(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()

    def test_storm(self) -> None:
        """A thousand signals while one reload is under way are one reload more."""
        self.waiting = []
        for _ in range(1000):
            self.reloader.reload_soon()
        self.assertEqual(1, len(self.waiting))
        self.run_threads()
        self.assertEqual(2, self.reads)
        self.reloader.reload_soon()
        self.run_threads()
        self.assertEqual(3, self.reads)

    def test_who_asks_meanwhile(self) -> None:
        """Who asks while one is under way gets the answer of the next, which reads what was written since."""
        self.waiting = []
        first = self.begin()
        self.environ["LOG_LEVEL"] = "warn"
        others = [self.begin() for _ in range(3)]
        self.run_threads()
        self.assertEqual([], self.successResultOf(first)["changed"])
        self.assertEqual([["LOG_LEVEL is warn"]] * 3, [self.successResultOf(one)["changed"] for one in others])
        self.assertEqual(2, self.reads)

    def test_too_many(self) -> None:
        """So many may wait; one that goes away makes room, and hurts no other."""
        self.waiting = []
        self.begin()
        waiting = [self.begin() for _ in range(MAX_ASKING)]
        self.failureResultOf(self.begin(), RemoteError)
        waiting[0].addErrback(lambda _: None)
        waiting[0].cancel()
        again = self.begin()
        self.run_threads()
        self.assertEqual([], self.successResultOf(again)["faults"])
        self.assertEqual([], self.successResultOf(waiting[1])["faults"])


class ConfigErrorTests(ReloadCase):
    def test_loader(self) -> None:
        """The loader's own words are those that a start has."""
        self.environ["MQTT_PORT"] = "x"
        faults = self.assertRaises(ConfigError, read, self.environ).faults
        self.assertEqual(list(faults), self.reload()["faults"])
