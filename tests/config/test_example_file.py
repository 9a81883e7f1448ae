"""The example of the configuration file: every setting is there, and each line may be taken as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import Files
from twisted_detector.config.config import TABLES, Config
from twisted_detector.config.example_file import example
from twisted_detector.config.reader import Reader

SETTING = re.compile(r"^#(?=[a-z0-9_]+ = |\[)", re.MULTILINE)


class ExampleTests(SynchronousTestCase):
    def test_all_lines(self) -> None:
        """With every "#" before a setting removed, it is read without a fault, and says what the defaults say."""
        text = SETTING.sub("", example())
        reading = Reader(
            Config.settings(), {"CAMDETECT_CONFIG": "/camdetect.toml"}, read_file=Files({"/camdetect.toml": text}),
            tables=TABLES,
        ).read()  # fmt: skip
        self.assertEqual([], reading.faults)
        self.assertEqual(
            {"frigate": ["north"], "go2rtc": ["north"]}, {one: [*two] for one, two in reading.tables.items()}
        )
        defaults, settings = Config(), Config.settings()
        for key, value in reading.values.items():
            if not settings[key].example and key != "camdetect_config":
                self.assertEqual(defaults.value_of(key), value, key)

    def test_all_settings(self) -> None:
        """Every setting that the file may have is in it, commented out, below what it is."""
        text = example()
        self.assertEqual({}, tomllib.loads(text))
        for key, one in Config.settings().items():
            if key in ("camdetect_config", "plugins"):
                continue
            self.assertRegex(text, rf"(?m)^#{key} = ")
            self.assertIn(one.help.split(".")[0][:60], text)
            self.assertEqual(one.secret, f"#{key}_file = " in text, key)
        self.assertLessEqual(max(map(len, text.splitlines())), 120)
        self.assertNotIn(str(Path.home()), text)
