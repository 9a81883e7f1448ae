"""A discoverer: reads addresses of cameras from a file, one in a line, and reports each as seen.

Switch it on in the configuration file:

    [plugins.addresses]
    path = "/etc/camdetect/addresses.txt"

A line is an address, then the RTSP port if it is not 554; ``#`` begins a comment.
"""

from pathlib import Path

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.interfaces import IDiscoverer, IDiscovererMaker
from twisted_detector.model import Sighting, parse_address


@implementer(IDiscoverer)
class Addresses:
    name = "addresses"

    def __init__(self, path, clock):
        self.path, self.clock = Path(path), clock

    async def sweep(self, sink):
        for line in self.path.read_text(encoding="utf-8").splitlines():
            words = line.partition("#")[0].split()
            if words:
                address, port = str(parse_address(words[0])), int(words[1]) if words[1:] else 554
                sink.sighted(Sighting(self.name, address, self.clock.seconds(), rtsp_ports=(port,)))


@implementer(IPlugin, IDiscovererMaker)
class Maker:
    name = "addresses"

    def make(self, context):
        path = context.settings.get("path")
        return Addresses(path, context.clock) if path else None


addresses = Maker()
