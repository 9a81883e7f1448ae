"""A service that publishes: reads a number from a file again and again and publishes it as telemetry.

Switch it on in the configuration file, for instance for the temperature of the board:

    [plugins.telemetry]
    path = "/sys/class/thermal/thermal_zone0/temp"
    topic = "site/board/temperature"
    scale = 0.001
    interval = 30
"""

from pathlib import Path

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.plugin import IPlugin
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.interfaces import IServiceExtension
from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, rfc3339


class Telemetry(Service):
    log = make_logger()

    def __init__(self, context, path, topic, *, scale=1.0, interval=60.0):
        self.context, self.path, self.topic, self.scale = context, Path(path), topic, float(scale)
        self.interval = max(1.0, float(interval))
        self.failures = 0
        self.loop = LoopingCall(self.sample)
        self.loop.clock = context.clock

    def startService(self):
        super().startService()
        self.loop.start(self.interval)

    def stopService(self):
        super().stopService()
        self.loop.stop()

    def sample(self):
        try:
            self.publish(float(self.path.read_text(encoding="ascii")) * self.scale)
        except Exception:  # whatever it was: a LoopingCall whose function raises never calls it again
            if not self.failures:
                self.log.failure("No sample of {topic}; not said again until there is one", topic=self.topic)
            self.failures += 1
        else:
            self.failures = 0

    def publish(self, value):
        document = {"value": round(value, 6), "timestamp": rfc3339(self.context.clock.seconds())}
        # Telemetry leaves last and goes first when the outbox is full; after two intervals there are newer samples.
        self.context.publish(
            Message(self.topic, encode(document), priority=Priority.TELEMETRY, expires_after=2 * self.interval)
        )


@implementer(IPlugin, IServiceExtension)
class Maker:
    name = "telemetry"

    def make(self, context):
        return Telemetry(context, **context.settings) if context.settings else None


telemetry = Maker()
