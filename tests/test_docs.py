"""The documents and the program are compared: what is generated is up to date, what is linked is there."""

from __future__ import annotations

import argparse
import ast
import re
import tomllib
from dataclasses import fields
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.grammar import build_parser
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import declared
from twisted_detector.config.example_file import example
from twisted_detector.config.reference_page import page
from twisted_detector.mqtt.settings import MqttSettings

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")

#: Names that others rely on: those of the predecessor, then ours (the contract with the outside).
PROMISED = re.findall(
    r"[A-Z_]+",
    """
MQTT_BROKER MQTT_PORT MQTT_TLS TLS_CA_PATH TLS_CERT_PATH TLS_KEY_PATH TLS_INSECURE MQTT_USERNAME MQTT_PASSWORD
MQTT_TOPIC_PREFIX MQTT_CLIENT_ID SERVICE_ID NODE_ID DISCOVERY_INTERVAL DISCOVERY_TIMEOUT SMART_DISCOVERY_ENABLED
INITIAL_DISCOVERY_COUNT STEADY_STATE_INTERVAL QUICK_CHECK_INTERVAL CAMERA_USERNAME CAMERA_PASSWORD CAMERA_CREDENTIALS
RTSP_PORT ONVIF_PORT HTTP_PORT RTSP_TIMEOUT ONVIF_TIMEOUT HEALTH_CHECK_INTERVAL HEALTH_REPORT_INTERVAL OFFLINE_THRESHOLD
MAC_TRACKING_ENABLED ONVIF_ENABLED MDNS_ENABLED NETWORK_SCAN_ENABLED FRIGATE_UPDATE_ENABLED FRIGATE_CONFIG_PATH
FRIGATE_RELOAD_TOPIC MAX_CONCURRENT_DISCOVERY LOG_LEVEL
MQTT_KEEPALIVE MQTT_PROTOCOL MQTT_RECONNECT_MIN MQTT_RECONNECT_MAX MQTT_RECONNECT_JITTER MQTT_MAX_RECONNECT_ATTEMPTS
MQTT_QUEUE_SIZE STATE_DIR SCAN_NETWORKS SCAN_EXCLUDE SCAN_RATE WEB_LISTEN WEB_TOKEN PLUGINS PLUGIN_PATH
CAMDETECT_CONFIG
PUBLISH_CREDENTIALS ALLOW_BASIC_AUTH ADOPTION
""",
)


def documents() -> list[Path]:
    """Every page that a person reads."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])


class WhatIsShippedBeside(SynchronousTestCase):
    """What ``make docs`` writes into packaging/ names all that there is; how it is folded is argparse's affair."""

    def test_the_manual_page(self) -> None:
        """Every command and every option of the command line is in the manual page."""
        text = (ROOT / "packaging" / "camdetect.1").read_text(encoding="utf-8").replace("\\-", "-")
        (commands,) = (one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))
        for name, parser in commands.choices.items():
            self.assertIn(f"camdetect {name}", text, "run: make docs")
            section = text.partition(f".SS \\fBcamdetect {name}\\fR")[2].partition(".SS ")[0]
            for option in (word for action in parser._actions for word in action.option_strings if word[:2] == "--"):
                if option != "--help":
                    self.assertIn(option, section, f"run: make docs ({name})")

    def test_the_example(self) -> None:
        """The example configuration is what the command prints."""
        self.assertEqual(example(), (ROOT / "packaging" / "camdetect.toml").read_text(encoding="utf-8"), "make docs")


class TheFrontPage(SynchronousTestCase):
    def test_length(self) -> None:
        """The README is read in four minutes. A word has a letter or a digit: the lines of a table are none."""
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        self.assertLess(sum(any(map(str.isalnum, word)) for word in text.split()), 900)

    def test_pictures(self) -> None:
        """Every picture is there, and says in words what it shows."""
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        shown = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text)
        shown += [(words, path) for path, words in re.findall(r'<img src="([^"]+)"[^>]* alt="([^"]*)"', text)]
        self.assertGreaterEqual(len(shown), 4)
        for words, path in shown:
            self.assertTrue((ROOT / path).is_file(), path)
            self.assertGreater(len(words.split()), 3, path)

    def test_the_drawing_in_the_dark(self) -> None:
        """What is drawn in the text's colours has those of a dark page too."""
        drawing = (ROOT / "docs" / "images" / "frigate.svg").read_text(encoding="utf-8")
        light, _, dark = drawing.partition("@media (prefers-color-scheme: dark)")
        used = set(re.findall(r'class="(\w+)"', drawing))
        self.assertEqual(set(), {name for name in used if f".{name} {{" not in light or f".{name} {{" not in dark})


class TheConfigurationPage(SynchronousTestCase):
    def test_up_to_date(self) -> None:
        """docs/configuration.md is what ``make docs`` would write."""
        self.assertEqual(page(), (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8"), "run: make docs")

    def test_promised_names(self) -> None:
        """Every variable that is promised to the outside is a setting."""
        self.assertEqual([], [name for name in PROMISED if name.lower() not in Config.settings()])

    def test_every_setting_is_explained(self) -> None:
        """Every setting has a row with its name, what is allowed and a sentence."""
        text = page()
        for name, setting in Config.settings().items():
            row = next(line for line in text.splitlines() if line.startswith(f"| `{name.upper()}` |"))
            self.assertIn(setting.kind.allowed, row)
            self.assertTrue(setting.help.endswith(".") or setting.help.endswith(".)"), name)
            self.assertEqual(5, row.replace("\\|", "").count("|"), row)

    def test_no_setting_is_idle(self) -> None:
        """Every setting is used by the program."""
        package = ROOT / "twisted_detector"
        sources = [path for path in package.rglob("*.py") if path.parent != package / "config"]
        program = "\n".join(path.read_text(encoding="utf-8") for path in sources)
        within = {"CAMDETECT_CONFIG", "CAMERA_USERNAME", "CAMERA_PASSWORD"}  # end up in other fields of Config
        within |= {f"{one}_{key}" for one in ("FRIGATE", "GO2RTC") for key in ("CAMERAS", "NETWORK", "AREA")}  # choice
        within |= {"FRIGATE_PAGE_URL", "GO2RTC_PAGE_URL"}  # page
        copied = {f"mqtt.{each.name}" for each in fields(MqttSettings)}  # as service.settings.mqtt_settings does
        for attribute, setting in declared(Config):
            if setting.name not in within and attribute not in copied:
                section, _, key = attribute.rpartition(".")
                used = [rf"config\.{attribute.replace('.', '[.]')}\b"]
                if section in ("frigate", "go2rtc"):  # each of several has a section of its own
                    used.append(rf"\b(?:section|one)\.{key}\b")
                self.assertTrue(re.search("|".join(used), program), setting.name)

    def test_examples_are_allowed(self) -> None:
        """Every example can be given as it stands."""
        for name, setting in Config.settings().items():
            if setting.example:
                self.assertTrue(setting.kind.read(setting.example), name)


class EveryPage(SynchronousTestCase):
    def test_links(self) -> None:
        """Every relative link leads to a file that is there."""
        broken = []
        for document in documents():
            for target in LINK.findall(document.read_text(encoding="utf-8")):
                local = "://" not in target and not target.startswith(("#", "mailto:"))
                if local and not (document.parent / target.partition("#")[0]).exists():
                    broken.append(f"{document.relative_to(ROOT)}: {target}")
        self.assertEqual([], broken)

    def test_commands_exist(self) -> None:
        """What a page, a reason or a log line tells people to type is a command: ``camdetect WORD``."""
        subcommands = next(one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))
        texts = {page: page.read_text("utf-8") for page in (*documents(), *(ROOT / "twisted_detector").rglob("*.py"))}
        typed = re.compile(r"(?:[`(:] ?|  |ExecStart=\S*/)camdetect ([a-z]+)(?= *[`)A-Z\d{,;]|  | -)", re.MULTILINE)
        said = {(word, page.name) for page, text in texts.items() for word in typed.findall(text)}
        self.assertGreater(len(said), 40)
        self.assertEqual([], sorted(one for one in said if one[0] not in subcommands.choices))

    def test_variables_exist(self) -> None:
        """A variable that a page names in code is one of ours, or its _FILE variant."""
        known = {name.upper() for name in Config.settings()}
        known |= {f"{name}_FILE" for name in known} | {"BALENA_DEVICE_UUID", "CAMDETECT_NO_SKIPS", "XDG_STATE_HOME"}
        ours = re.compile(r"`((?:MQTT|CAMERA|SCAN|DISCOVERY|TLS|RTSP|ONVIF|FRIGATE|WEB|CAMDETECT)_[A-Z_]+)[`=]")
        unknown = [
            f"{document.relative_to(ROOT)}: {name}"
            for document in documents()
            for name in ours.findall(document.read_text(encoding="utf-8"))
            if name not in known
        ]
        self.assertEqual([], unknown)


#: A test as the pages name one: its file, and behind ``::`` its class, its name, or both.
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+)(?:\.(\w+))?)?`")


def tests_in(path: Path) -> set[str]:
    """The tests of a file: ``Class``, ``Class.test_it`` and ``test_it``, inherited ones left out."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}.{one.name}" for one in node.body if isinstance(one, FUNCTION)}
        elif isinstance(node, FUNCTION):
            found.add(node.name)
    return found


FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


class TheSecurityPage(SynchronousTestCase):
    def setUp(self) -> None:
        self.text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")

    def test_tests_are_there(self) -> None:
        """Every test that the page names for a promise exists under that name."""
        lost = []
        for file, first, second in TEST.findall(self.text):
            path = ROOT / file
            wanted = ".".join(filter(None, (first, second)))
            if not path.exists() or (wanted and wanted not in tests_in(path)):
                lost.append("::".join(filter(None, (file, wanted))))
        self.assertGreater(len(TEST.findall(self.text)), 40)
        self.assertEqual([], lost)

    def test_no_promise_without_a_test(self) -> None:
        """Every row of a table of promises names a test, or says why there is none."""
        bare = []
        for table in self.text.split("| promise | held by |\n|---|---|\n")[1:]:
            for row in table.partition("\n\n")[0].splitlines():
                if not TEST.search(row) and "no test:" not in row:
                    bare.append(row)
        self.assertEqual([], bare)

    def test_lower_bounds(self) -> None:
        """The versions that the page gives are those below which nothing is installed."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        required = [*project["dependencies"], *project["optional-dependencies"]["decode"]]
        section = self.text.partition("## Native code")[2].partition("\n## ")[0]
        told = re.findall(r"^\| (\w+) \| ([\d.]+) \|", section, flags=re.MULTILINE)
        self.assertEqual(4, len(told))
        self.assertEqual([], [name for name, bound in told if f"{name}>={bound}" not in required])


class TheArchitecturePage(SynchronousTestCase):
    def test_files_are_there(self) -> None:
        """Every module that the page names exists; the last section alone tells of those that are gone."""
        text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Names that changed")[0]
        named = re.findall(r"`([\w/]+\.py)`", text)
        package = ROOT / "twisted_detector"
        lost = [name for name in named if not (ROOT / name).exists() and not list(package.rglob(name))]
        self.assertGreater(len(named), 30)
        self.assertEqual([], lost)

    def test_every_room_has_a_line(self) -> None:
        """Each package of the first level has its row in the table of rooms, with the door's sentence."""
        text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        rooms = [path.parent.name for path in sorted((ROOT / "twisted_detector").glob("*/__init__.py"))]
        self.assertEqual([], [room for room in rooms if f"\n| `{room}` |" not in text])
