"""Exports: four formats for other programs, none with a login, and who is asked for them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import candidate
from tests.outputs.case import CAMERA, MAIN, NAME, SUB, TAGS
from tests.outputs.frigate_rules import faults, load as load_yaml
from twisted_detector.cli.grammar import EXPORT_WORDS
from twisted_detector.config.config import Config
from twisted_detector.config.frigate_go2rtc import FrigateSection, Go2rtcSection
from twisted_detector.config.load import load
from twisted_detector.errors import ConfigError, RemoteError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.model import Adoption, Camera, Candidate, Login, Mac, Secret
from twisted_detector.operations.export import (
    FORMATS,
    _stored_candidate,
    accepted_login,
    export,
    export_handler,
    stored_cameras,
    withheld_reason,
)

LOGIN = Login("boss", Secret("hunter2"))


def config(**settings: str) -> Config:
    return load({"STATE_DIR": "/state", **settings}, hostname="host", superuser=False)


class Exporting(SynchronousTestCase):
    def text(self, name: str, *cameras: Camera, **settings: str) -> str:
        return export(name, cameras or (CAMERA,), lambda _: LOGIN, config(**settings), tags=TAGS)["text"]

    def test_no_login(self) -> None:
        """No format has a login in it, though PUBLISH_CREDENTIALS is on: an export is shown and passed on."""
        secret = replace(CAMERA, streams=(replace(MAIN, url="rtsp://10.0.0.9/user=a_password=hunter3_x=1"), SUB))
        for name in FORMATS:
            text = self.text(name, secret, PUBLISH_CREDENTIALS="true")
            self.assertIn(NAME, text)
            self.assertNotIn("hunter", text)
            self.assertNotIn("boss", text)

    def test_frigate_and_go2rtc(self) -> None:
        """Both are YAML that the other program reads, for the version that is configured."""
        document = load_yaml(self.text("frigate", FRIGATE_VERSION="0.15", FRIGATE_OBJECTS="dog"))
        self.assertEqual(faults(document, minor=15), [])
        self.assertEqual(document["cameras"][NAME]["objects"]["track"], ["dog"])
        self.assertEqual(
            list(load_yaml(self.text("go2rtc", GO2RTC_PREFIX="c-"))["streams"]), [f"c-{NAME}", f"c-{NAME}_sub"]
        )
        self.assertEqual(load_yaml(export("frigate", (), lambda _: None, config(), tags=TAGS)["text"]), {"cameras": {}})

    def test_chosen(self) -> None:
        """Frigate's and go2rtc's have the cameras that are chosen for these; the others have all."""
        self.assertIn("cameras: {}", self.text("frigate", FRIGATE_NETWORK="192.0.2.0/24"))
        self.assertIn(NAME, self.text("frigate", FRIGATE_CAMERAS=NAME))
        self.assertNotIn(NAME, self.text("go2rtc", GO2RTC_CAMERAS="Another"))
        self.assertIn(NAME, self.text("csv", FRIGATE_CAMERAS="Another", GO2RTC_CAMERAS="Another"))

    def test_by_name(self) -> None:
        """Each Frigate and go2rtc gets its own: its cameras, its settings, where its logins are."""
        other = replace(CAMERA, id="024000000002", device_id="024000000002", address="10.20.0.9")
        north = FrigateSection(name="north", network=("10.20.0.0/16",), objects=("dog",), version="0.16")
        settings = replace(
            config(FRIGATE_CAMERAS=NAME, GO2RTC_CAMERAS=NAME),
            named_frigates=(north, FrigateSection(name="yard")),
            named_go2rtcs=(Go2rtcSection(name="barn", prefix="b-", network=("10.20.0.0/16",)),),
        )

        def told(name: str, consumer: str) -> dict[str, str]:
            return export(name, (CAMERA, other), lambda _: LOGIN, settings, tags=TAGS, consumer=consumer)

        document = load_yaml(told("frigate", "north")["text"])
        self.assertEqual([other.id], list(document["cameras"]))
        self.assertEqual(["dog"], document["cameras"][other.id]["objects"]["track"])
        self.assertEqual([], faults(document, minor=16))
        self.assertEqual([NAME, other.id], list(load_yaml(told("frigate", "yard")["text"])["cameras"]))
        self.assertEqual([NAME], list(load_yaml(told("frigate", "")["text"])["cameras"]))
        self.assertEqual(
            {f"b-{other.id}", f"b-{other.id}_sub"}, set(load_yaml(told("go2rtc", "barn")["text"])["streams"])
        )
        for name, consumer, comment, file in (
            ("frigate", "", "Frigate. The logins are variables: FRIGATE_ENV_PATH", "frigate-cameras.yml"),
            ("frigate", "north", "Frigate north. The logins are variables: [frigate.north] env_path",
             "north-frigate-cameras.yml"),
            ("go2rtc", "barn", "go2rtc barn. The logins are variables: [go2rtc.barn] env_path",
             "barn-go2rtc-streams.yaml"),
        ):  # fmt: skip
            found = told(name, consumer)
            self.assertEqual(f"# Belongs into the configuration of {comment}", found["text"].splitlines()[0])
            self.assertEqual(file, found["filename"])
        for name, consumer, expected in (
            ("frigate", "barn", "no [frigate.barn] in the configuration file: there are: north, yard"),
            ("go2rtc", "north", "no [go2rtc.north] in the configuration file: there are: barn"),
            ("csv", "north", "only a Frigate or go2rtc has a name of its own"),
        ):
            with self.assertRaises(RemoteError) as caught:
                told(name, consumer)
            self.assertEqual(expected, str(caught.exception))
        with self.assertRaises(RemoteError) as caught:
            export("go2rtc", (), lambda _: None, config(), tags=TAGS, consumer="barn")
        self.assertIn("there are: none", str(caught.exception))

    def test_tables(self) -> None:
        """CSV has a line for each stream and no cell that is taken for a formula; JSON is the document."""
        rows = list(csv.DictReader(io.StringIO(self.text("csv", replace(CAMERA, name='=cmd("x")')))))
        self.assertEqual([row["stream"] for row in rows], [MAIN.url, SUB.url])
        self.assertEqual(rows[0]["name"], '\'=cmd("x")')
        (document,) = json.loads(self.text("json"))
        self.assertEqual(document["primary_rtsp_url"], MAIN.url)

    def test_words(self) -> None:
        """The command line offers what there is; another word is refused."""
        self.assertEqual(EXPORT_WORDS, tuple(FORMATS))
        with self.assertRaises(RemoteError):
            export("xml", (), lambda _: None, config(), tags=TAGS)

    def test_handler(self) -> None:
        """The handler answers with text, media type and name; what would change is answered for Frigate only."""

        asked: list[str | None] = []

        async def lines(name: str | None) -> list[str]:
            asked.append(name)
            return ["-a", "+b"]

        settings = replace(config(), named_frigates=(FrigateSection(name="north", cameras=("Nobody",)),))
        answer = export_handler(lambda: [CAMERA], lambda _: None, settings, lines, tags=TAGS)

        def ask(**fields: Any) -> Any:
            return Deferred.fromCoroutine(answer(fields))

        told = self.successResultOf(ask(format="csv"))
        self.assertEqual((told["media_type"], told["filename"]), ("text/csv", "cameras.csv"))
        self.assertEqual(self.successResultOf(ask(format="frigate", diff=True))["text"], "-a\n+b\n")
        self.successResultOf(ask(**{"format": "frigate", "diff": True, "for": "north"}))
        self.assertEqual([None, "north"], asked)
        self.assertIn(NAME, self.successResultOf(ask(format="frigate"))["text"])
        self.assertIn("cameras: {}", self.successResultOf(ask(**{"format": "frigate", "for": "north"}))["text"])
        unknown: dict[str, Any] = {"format": "frigate", "for": "south"}
        for fields in (unknown, {**unknown, "diff": True}, {**unknown, "for": ["north"]}):
            self.failureResultOf(ask(**fields), RemoteError)
        for fields in ({"format": "csv", "diff": True}, {"format": ["x"]}, {}):
            self.failureResultOf(ask(**fields), RemoteError)
        self.assertEqual([None, "north"], asked)


class Logins(SynchronousTestCase):
    def test_known_good(self) -> None:
        """The login that a camera let in is known over a restart, and while none may be tried."""
        saved: dict[str, str] = {}
        other = Login("other", Secret("x"))
        budget = LoginBudget((other, LOGIN), salt="s", save=saved.__setitem__)
        mac = Mac("02:40:00:00:00:01")
        candidate = Candidate("d", "10.0.0.9", mac=mac, adoption=Adoption.FIRST_RUN)
        budget.record_accepted(candidate, LOGIN, 1.0)
        for number in range(3):
            budget.record_refused(candidate, other, 2.0 + number, True)
        self.assertEqual(budget.allowed_logins(candidate, 6.0), ())
        again = LoginBudget((other, LOGIN), salt="s", save=saved.__setitem__)
        again.restore(saved)
        camera = replace(CAMERA, mac=mac, address="10.0.0.77", adopted=Adoption.FIRST_RUN)
        self.assertEqual((accepted_login(budget, camera), accepted_login(again, camera)), (LOGIN, LOGIN))
        self.assertIsNone(accepted_login(again, replace(camera, mac=Mac("02:40:00:00:00:02"))))
        changed = LoginBudget((other, Login("boss", Secret("new"))), salt="s", save=saved.__setitem__)
        changed.restore(saved)
        self.assertIsNone(accepted_login(changed, camera), "a password that changed is not the one that it let in")

    def test_of_adopted_devices_only(self) -> None:
        """Whoever let a login in and is not adopted stands in the configuration without it, and the file says why."""
        budget = LoginBudget((LOGIN,), salt="s", save=lambda key, text: None)
        mac = Mac("02:40:00:00:00:01")
        adopted = replace(CAMERA, mac=mac, adopted=Adoption.FIRST_RUN)
        rogue = replace(adopted, adopted=Adoption.NO)
        budget.record_accepted(Candidate("d", CAMERA.address, mac=mac), LOGIN, 1.0)
        login_of, withheld = partial(accepted_login, budget), partial(withheld_reason, budget)
        for camera, told in ((adopted, True), (rogue, False), (replace(adopted, mac=None), False)):
            for name in ("frigate", "go2rtc"):
                text = export(name, [camera], login_of, config(), tags=TAGS, withheld=withheld)["text"]
                self.assertIn("rtsp://", text)
                self.assertEqual(told, "_PASSWORD" in text, (name, camera.adopted, text))
                self.assertEqual(not told and camera.mac is not None, "adopt it" in text, text)
        other = Candidate("d", CAMERA.address, mac=mac, adoption=Adoption.NO, not_adopted="it is another one")
        self.assertIsNone(accepted_login(budget, adopted, other), "what the daemon sees now counts")
        self.assertEqual("it is another one", withheld_reason(budget, adopted, other))


class Settings(SynchronousTestCase):
    def test_urls(self) -> None:
        """A URL is http or https with a host; a login in it is refused without being shown."""
        self.assertEqual(config(FRIGATE_URL="http://frigate:5000/").frigate.url, "http://frigate:5000")
        self.assertEqual(config(GO2RTC_URL="https://[::1]:1984").go2rtc.url, "https://[::1]:1984")
        for text in ("frigate:5000", "ftp://x", "http://", "http://x:99999", "http://x/?a=1", "http://é"):
            with self.assertRaises(ConfigError):
                config(FRIGATE_URL=text)
        for prefix in ("a b", "x" * 33, "a/b"):
            with self.assertRaises(ConfigError):
                config(GO2RTC_PREFIX=prefix)
        with self.assertRaises(ConfigError):
            config(FRIGATE_URL="http://me:x@frigate")

    def test_publishing_is_said_loudly(self) -> None:
        """PUBLISH_CREDENTIALS is a warning at every start."""
        (warning,) = config(PUBLISH_CREDENTIALS="true").warnings
        self.assertIn("passwords", warning)


class StoredTests(SynchronousTestCase):
    """What is exported while no daemon runs."""

    def budget(self, overrides: str) -> LoginBudget:
        folder = Path(self.mktemp())
        folder.mkdir(mode=0o700)
        (folder / "overrides").write_text(overrides)
        storing = stored_cameras(None, config(STATE_DIR=str(folder)))
        cameras, budget = self.successResultOf(Deferred.fromCoroutine(storing))
        self.assertEqual([], cameras)
        return budget

    def test_announced_manufacturer(self) -> None:
        """No login is chosen by a manufacturer that a camera only announces."""
        for hearsay, vendors in (((), ("Acme",)), (("manufacturer",), ())):
            found = _stored_candidate(replace(CAMERA, manufacturer="Acme", hearsay=hearsay))
            self.assertEqual(vendors, found.vendors)

    def test_typed_logins(self) -> None:
        """They are there as they are in the daemon; a file that cannot be read has none."""
        text = '[camera.x]\nlogin = "own:canary-o"\n[logins]\n"network 10.0.0.0/24" = ["net:canary-n"]\n'
        device = candidate(is_bound=True)
        found = self.budget(text).allowed_logins(device, 0.0)
        self.assertEqual("own", found[0].name)
        far = candidate("10.0.0.9", None, adoption=Adoption.NO)
        self.assertEqual(["net"], [one.name for one in self.budget(text).allowed_logins(far, 0.0)])
        self.assertEqual((), self.budget("[camera").allowed_logins(device, 0.0))
