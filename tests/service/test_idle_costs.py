"""The daemon's modules and a question on the network go in; that nothing large is loaded for them comes out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parents[2]

#: In a fresh interpreter: the whole daemon, then a watcher that hears a Probe and, at last, a Hello.
PROGRAM = """
import sys, time
import twisted_detector.service.daemon, twisted_detector.config.config, twisted_detector.plugins.builtin
from collections import Counter
from twisted.internet.task import Clock
from twisted_detector.discovery.multicast.listener import ListenerContext
from twisted_detector.discovery.wsdiscovery.listener import WSDiscoveryListener
from twisted_detector.testing.lan import RecordingSink
from twisted_detector.wire.lan import wsdiscovery as wire
sink, counts = RecordingSink(), Counter()
listener = WSDiscoveryListener(ListenerContext(sink, Clock(), time.monotonic, counts, print))
receive = listener.receiver("eth0", ())
for dialect in wire.Dialect:
    receive(wire.probe("urn:uuid:1", dialect), "10.0.0.9")
print("lxml" in sys.modules, len(wire.Dialect), counts["datagrams"], counts["malformed"])
receive(b"<nonsense>", "10.0.0.9")
print("lxml" in sys.modules, counts["malformed"])
"""

#: In a fresh interpreter: a daemon that starts without cameras, then one that knows some, and what they answer.
KNOWING = """
import sys
import twisted_detector.service.daemon
from tests.facts import inspection, stream, sighting, A, adopting
from twisted_detector.registry.registry import Registry
from twisted_detector.service.knowledge import expect_answers
from twisted_detector.wire.soap.xml import parse_xml, text_of
registry = Registry(lambda event: None, adoption=adopting())
seen = registry.record_sighting(sighting("10.0.0.5", A), 1.0)
registry.begin_inspection(seen.key, 1.0)
registry.record_inspection(seen.key, inspection("10.0.0.5", stream("10.0.0.5")), 1.0)
expect_answers(())
print("lxml" in sys.modules)
expect_answers(registry.cameras())
before = set(sys.modules)
print("lxml.etree" in before, text_of(parse_xml(b"<a>whole</a>")), text_of(parse_xml(b"<a>broken<b></a>")))
print(sorted(set(sys.modules) - before))
"""

#: In a fresh interpreter: all that a daemon imports, and what is made for the programs that it keeps in step, which are
#: none here; then the modules that only a request, a file or such a program needs, with the kB that they take.
UNUSED = """
import importlib, pkgutil, sys
import twisted_detector.service.daemon
from twisted_detector import plugins
from twisted_detector.config.load import load
from twisted_detector.interfaces import MakerContext
from twisted_detector.outputs.topics import Topics
for module in pkgutil.iter_modules(plugins.__path__, "twisted_detector.plugins."):
    importlib.import_module(module.name)
from twisted_detector.plugins.builtin_sync import consumers
consumers(MakerContext(None, load({}, hostname="host"), {}, print, print), Topics(node_id="node", prefix=""))
large = {
    "importlib.metadata": 500, "importlib.resources": 110, "tomllib": 115, "treq": 1600,
    "twisted.web.client": 390, "twisted.web.server": 2000,
    "twisted_detector.mqtt.broker.broker": 55, "twisted_detector.outputs.go2rtc.api": 30,
    "twisted_detector.web.api.openapi": 15,
}
print("twisted_detector.plugins.builtin_web" in sys.modules, sorted(large.keys() & sys.modules.keys()))
"""


class Idle(SynchronousTestCase):
    def test_no_xml_parser(self) -> None:
        """The parser (4 MB) is loaded neither by the start nor by questions to the group, but by the first document."""
        done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60)
        lines = done.stdout.splitlines()
        self.assertEqual(3, len(lines), done.stderr)
        before, said, after = lines
        loaded, dialects, datagrams, malformed = before.split()
        self.assertEqual(("False", dialects, "0"), (loaded, datagrams, malformed))
        self.assertGreater(int(dialects), 1)
        self.assertIn("10.0.0.9", said)
        self.assertEqual("True 1", after)

    def test_nothing_unused(self) -> None:
        """What only a request for it needs, or a file or program that is not there, is not loaded by the start."""
        done = subprocess.run([sys.executable, "-c", UNUSED], cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual("True []\n", done.stdout, done.stderr)

    def test_loaded_for_known_cameras(self) -> None:
        """A daemon that knows cameras loads it while it starts: nothing is left to be loaded by their first answers."""
        done = subprocess.run([sys.executable, "-c", KNOWING], cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual(["False", "True whole broken", "[]"], done.stdout.splitlines(), done.stderr)
