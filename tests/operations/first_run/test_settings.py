"""Settings that are changed on the page: saved whole or not at all, and no password goes where it was not given for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config import page_settings
from twisted_detector.config.config import Config
from twisted_detector.config.load import load
from twisted_detector.config.page_settings import GROUP_OF
from twisted_detector.config.running import RunningConfig
from twisted_detector.errors import RemoteError
from twisted_detector.operations.decisions import book
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.first_run.restart import RestartRequest, SoftRestart
from twisted_detector.operations.first_run.settings import SettingsCommand
from twisted_detector.web.api.first_run import SETTINGS

T = TypeVar("T")


async def at_once(work: Callable[[], T]) -> T:
    return work()


class SettingsCase(SynchronousTestCase):
    """A daemon with a folder of its own."""

    environ: Mapping[str, str] = MappingProxyType({})

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)
        environ = {"STATE_DIR": str(self.folder), **self.environ}
        self.load = partial(load, environ, hostname="h")
        self.book = DecisionBook(self.folder, in_thread=at_once)
        self.restart = SoftRestart(self.load)
        self.requests: list[RestartRequest] = []
        self.restart.requested.add(self.requests.append)
        self.begin()

    def begin(self) -> None:
        """The parts start with what is saved."""
        self.done(self.book.load())
        self.requests.clear()
        self.command = SettingsCommand(self.book, self.restart, running=RunningConfig(self.load()))

    def done(self, work: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def set(self, **values: object) -> Mapping[str, Any]:
        """Change some and start with them."""
        answer: Mapping[str, Any] = self.done(self.command.answer(values))
        return answer

    def refused(self, **values: object) -> str:
        asked = Deferred.fromCoroutine(self.command.answer(values))
        return str(self.failureResultOf(asked, RemoteError).value)

    def saved(self) -> Config:
        return self.load()


class Changes(SettingsCase):
    def test_what_is_told(self) -> None:
        """Every setting of the page with its value and source; passwords are masked, in every answer."""
        answer = self.set()
        self.assertEqual({key.upper() for key in GROUP_OF}, answer["settings"].keys())
        self.assertEqual("default", answer["settings"]["MQTT_BROKER"]["source"])
        answer = self.set(MQTT_BROKER="b", MQTT_USERNAME="u", MQTT_PASSWORD="kanarie")
        self.assertEqual(("b", "page"), tuple(answer["settings"]["MQTT_BROKER"][key] for key in ("value", "source")))
        self.assertEqual("***", answer["settings"]["MQTT_PASSWORD"]["value"])
        self.assertNotIn("kanarie", str(answer))

    def test_the_api_has_the_same(self) -> None:
        """The table of routes names the settings of the page, and no other."""
        self.assertEqual(tuple(key.upper() for key in GROUP_OF), SETTINGS)

    def test_one_file(self) -> None:
        """Who reads the settings and who writes them mean the same files."""
        self.assertEqual((book.FILE, book.LAST_GOOD), (page_settings.FILE, page_settings.LAST_GOOD))

    def test_saved_and_started_again(self) -> None:
        """What is set is on the disk, for nobody else to read, before the restart; taken back, it is gone."""
        answer = self.set(MQTT_BROKER="b", MQTT_PORT="1884")
        self.assertEqual(["MQTT_BROKER", "MQTT_PORT"], answer["restart"])
        self.assertEqual([("MQTT_BROKER", "MQTT_PORT")], [one.settings for one in self.requests])
        self.assertEqual(("b", 1884), (self.saved().mqtt.broker, self.saved().mqtt.port))
        self.assertEqual(0o600, (self.folder / "overrides").stat().st_mode & 0o777)
        self.begin()
        self.set(MQTT_BROKER="", MQTT_PORT="")
        self.assertEqual("", self.saved().mqtt.broker)
        self.assertNotIn("MQTT_", (self.folder / "overrides").read_text())

    def test_no_restart_for_nothing(self) -> None:
        """What changes no value starts nothing again."""
        self.set(HOMEASSISTANT_ENABLED="true")
        self.assertEqual([], self.requests)

    def test_refusals(self) -> None:
        """Each begins with the setting's name; nothing of a refused change is saved, and no value is told."""
        for values, words in (
            ({"MQTT_PORT": "99999"}, "MQTT_PORT: must be"),
            ({"MQTT_BROKER": "mqtt://user:kanarie@x"}, "MQTT_BROKER: must be"),
            ({"FRIGATE_URL": "http://u:kanarie@x"}, "FRIGATE_URL: must be"),
            ({"MQTT_TLS": True}, "MQTT_TLS: must not be set without MQTT_BROKER"),
            ({"MQTT_BROKER": "b", "MQTT_PASSWORD": "kanarie"}, "MQTT_PASSWORD: must not be set without MQTT_USERNAME"),
            ({"MQTT_PASSWORD": 3}, "MQTT_PASSWORD: must be text"),
            ({"MQTT_BROKER": "x" * 2000}, "MQTT_BROKER: must be text of at most"),
            ({"WEB_TOKEN": "x"}, "WEB_TOKEN: is not a setting of the page"),
            ({"MQTT_USERNAME": "a\nb"}, "MQTT_USERNAME: must be"),
        ):
            told = self.refused(**values)
            self.assertTrue(told.startswith(words), told)
            self.assertNotIn("kanarie", told)
        self.assertFalse((self.folder / "overrides").exists())
        self.assertEqual([], self.requests)

    def test_undo(self) -> None:
        """What the daemon cannot start with is put back to what it ran with, however often it was changed since."""
        self.set(MQTT_BROKER="first")
        self.begin()
        self.set(MQTT_BROKER="second")
        self.set(MQTT_BROKER="third")
        self.done(self.requests[-1].undo())
        self.assertEqual("first", self.saved().mqtt.broker)

    def test_two_at_once(self) -> None:
        """Two pages that change different settings lose nothing of each other."""
        self.set(MQTT_BROKER="b")
        self.set(GO2RTC_URL="http://127.0.0.1:1984")
        self.assertEqual(("b", "http://127.0.0.1:1984"), (self.saved().mqtt.broker, self.saved().go2rtc.url))

    def test_what_a_person_wrote(self) -> None:
        """What stands in the file and is no setting of the page is neither used nor lost, whatever is changed here."""
        (self.folder / "overrides").write_text('[settings]\nNODE_ID = "other"\nmqtt_broker = "b" # mine\n')
        self.begin()
        self.set(MQTT_PORT="1884")
        self.assertEqual(("b", 1884), (self.saved().mqtt.broker, self.saved().mqtt.port))
        self.assertNotEqual("other", self.saved().node_id)
        self.assertIn('NODE_ID = "other"', (self.folder / "overrides").read_text())

    def test_a_fault_of_the_restart(self) -> None:
        """Why the last settings are not in use is told with the settings."""
        self.restart.end("the embedded broker does not start")
        self.assertEqual("the embedded broker does not start", self.set()["fault"])


class Passwords(SettingsCase):
    """A password that is saved goes only where it was given for."""

    def setUp(self) -> None:
        super().setUp()
        self.set(MQTT_BROKER="home", MQTT_USERNAME="u", MQTT_PASSWORD="p")
        self.begin()

    def login(self) -> tuple[str, str]:
        return self.saved().mqtt.username, self.saved().mqtt.password.reveal()

    def test_another_place(self) -> None:
        """Another host, port, or way of TLS: it has to be given again, or is gone."""
        for values in ({"MQTT_BROKER": "evil"}, {"MQTT_PORT": "1884"}, {"MQTT_TLS": "true"}):
            answer = self.set(**values)
            self.assertEqual(["MQTT_PASSWORD", "MQTT_USERNAME"], sorted(answer["dropped"]))
            self.assertEqual(("", ""), self.login())
            self.set(MQTT_BROKER="home", MQTT_PORT="", MQTT_TLS="", MQTT_USERNAME="u", MQTT_PASSWORD="p")

    def test_given_again(self) -> None:
        """With the place it is given for the new one."""
        self.set(MQTT_BROKER="other", MQTT_USERNAME="v", MQTT_PASSWORD="q")
        self.assertEqual(("v", "q"), self.login())

    def test_the_same_place(self) -> None:
        """It stays when the place stays, though it is typed again."""
        self.set(MQTT_BROKER="home", HOMEASSISTANT_ENABLED="false")
        self.assertEqual(("u", "p"), self.login())

    def test_other_programs(self) -> None:
        """Each group has its own."""
        self.set(FRIGATE_URL="https://f:8971", FRIGATE_USER="u", FRIGATE_PASSWORD="p")
        self.assertEqual(["FRIGATE_PASSWORD", "FRIGATE_USER"], sorted(self.set(FRIGATE_URL="https://g")["dropped"]))
        self.assertEqual(("u", "p"), self.login())


class Stronger(SettingsCase):
    """The environment gives the broker's password."""

    environ = MappingProxyType({"MQTT_USERNAME": "u", "MQTT_PASSWORD": "kanarie"})

    def test_fixed(self) -> None:
        """What environment or file gives cannot be changed here, nor where its password goes; the name says which."""
        self.assertIn("MQTT_USERNAME: the environment sets MQTT_USERNAME", self.refused(MQTT_USERNAME="v"))
        told = self.refused(MQTT_BROKER="evil")
        self.assertIn("MQTT_BROKER: the environment sets MQTT_PASSWORD, which is sent to this place", told)
        self.assertIn("MQTT_PASSWORD", self.set()["settings"]["MQTT_BROKER"]["fixed"])
        self.set(MQTT_BROKER="")  # nothing is taken back that was not set here
        self.assertEqual([], self.requests)
