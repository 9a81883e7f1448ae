"""A discoverer: reads addresses of cameras from a file, one in a line, and reports each as seen.

Switch it on in the configuration file:

    [plugins.addresses]
    path = "/etc/camdetect/addresses.txt"

A line is an address, or the MAC of a camera on a link of this machine, then the RTSP port if it is not 554; ``#``
begins a comment.
"""

from pathlib import Path

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import IDiscoverer, IDiscovererMaker, INeighbours
from twisted_detector.model import Mac, Sighting, parse_address


@implementer(IDiscoverer)
class Addresses:
    name = "addresses"

    def __init__(self, path, clock, neighbours):
        self.path, self.clock, self.neighbours = Path(path), clock, neighbours

    async def sweep(self, sink):
        for line in self.path.read_text(encoding="utf-8").splitlines():
            words = line.partition("#")[0].split()
            if words and (address := self.address_of(words[0])):
                port = int(words[1]) if words[1:] else 554
                sink.sighted(Sighting(self.name, address, self.clock.seconds(), rtsp_ports=(port,)))

    def address_of(self, word):
        try:
            mac = Mac.parse(word)
        except RemoteError:
            return str(parse_address(word))
        # None while no address of this MAC is known: the next sweep asks again.
        return next((address for address, seen in self.neighbours.known().items() if seen == mac), None)


@implementer(IPlugin, IDiscovererMaker)
class Maker:
    name = "addresses"
    needs = (INeighbours,)  # the daemon's own table of neighbours: make gets it after the context

    def make(self, context, neighbours):
        path = context.settings.get("path")
        return Addresses(path, context.clock, neighbours) if path else None


addresses = Maker()
