"""docs/mqtt-service.md against the code: what it names exists, and its numbers are those of the code."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import fields
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector import errors
from twisted_detector.model import devices as model
from twisted_detector.mqtt import (
    service as mqtt_service,
    settings as mqtt_settings,
    subscriptions as mqtt_subscriptions,
)
from twisted_detector.mqtt.network import loop as mqtt_thread
from twisted_detector.mqtt.outbox import queue as backlog
from twisted_detector.store import store

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "mqtt-service.md").read_text(encoding="utf-8")


class ThePage(SynchronousTestCase):
    def blocks(self) -> list[str]:
        found = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        self.assertEqual(3, len(found))
        return found

    def test_ten_lines(self) -> None:
        """The first program has ten lines and a blank one, and nothing else is needed to run it."""
        lines = [line for line in self.blocks()[0].splitlines() if line]
        self.assertEqual(10, len(lines))

    def test_names(self) -> None:
        """Every name in the code is imported there, made there, or one of ours."""
        ours = {name for module in (mqtt_service, store, errors, model) for name in vars(module)}
        ours |= {"sound_the_bell", "reactor"} | set(dir(builtins))
        for block in self.blocks():
            tree = ast.parse(block)
            made = {
                node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            made |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
            made |= {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
            made |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            self.assertEqual(set(), used - made - ours)

    def test_keys_of_the_document(self) -> None:
        """Every key that the page lists for ``document()`` is one, and so are the attributes that it names."""
        settings = mqtt_settings.MqttSettings(host="localhost", client_id="docs")
        service = mqtt_service.MqttService(Clock(), settings)
        listed = PAGE.partition("`mqtt.document()`: JSON types for a health document.")[2].partition("\n\n")[0]
        names = re.findall(r"`([a-z0-9_]+)`", listed)
        self.assertGreater(len(names), 15)
        self.assertEqual([], [name for name in names if name not in service.document()])
        for path in re.findall(r"`mqtt\.([A-Za-z_.]+)", PAGE):
            owner: object = service
            for name in path.split("."):
                self.assertTrue(hasattr(owner, name), path)
                owner = getattr(owner, name)

    def test_settings(self) -> None:
        """Every setting in the page is one, with the default that it says."""
        defaults = {field.name: field.default for field in fields(mqtt_settings.MqttSettings)}
        for name in ("lwt_topic", "client_id", "republish_topic", "keepalive"):
            self.assertIn(f"`{name}`", PAGE)
            self.assertIn(name, defaults)
        for name, value in re.findall(r"`(reconnect_max|slow_retry)` = (\d+) s", PAGE):
            self.assertEqual(float(value), defaults[name])
        self.assertIn("0.25 s", PAGE)
        self.assertEqual(0.25, defaults["reconnect_min"])
        self.assertIn(f"{defaults['queue_size']:,}\nmessages".replace(",", " "), PAGE)

    def test_numbers(self) -> None:
        """Bounds and times in the page are those of the code."""
        limits = backlog.Limits()
        said = {
            "64 MiB": limits.octets == 64 * 1024 * 1024,
            "an event expires after a day": limits.event_age == 86_400,
            "telemetry after an hour": limits.telemetry_age == 3600,
            "at most 15 ms": store.COMMIT_INTERVAL == 0.015,
            "the 100th message": store.COMMIT_SIZE == 100,
            "for 60 s at most": mqtt_subscriptions.HANDLER_TIMEOUT == 60,
            "thousand messages wait": mqtt_thread.MAX_UNHANDLED == 1000,
        }
        flat = " ".join(PAGE.split())
        self.assertEqual([], [words for words, true in said.items() if not true or words not in flat])
