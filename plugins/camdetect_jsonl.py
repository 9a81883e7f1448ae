"""A listener: appends every event of a camera as one line of JSON to a file.

Switch it on in the configuration file:

    [plugins.jsonl]
    path = "/var/log/camdetect/events.jsonl"
"""

from pathlib import Path

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.events import CameraEvent
from twisted_detector.interfaces import IEventListener, IListenerMaker
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.outputs.camera_json import camera_document


@implementer(IEventListener)
class JsonLines:
    def __init__(self, path):
        self.file = Path(path).open("ab", buffering=0)  # noqa: SIM115 (open as long as the daemon)

    def handle(self, event):
        if isinstance(event, CameraEvent):
            document = {"event": type(event).__name__, "camera": camera_document(event.camera)}
            self.file.write(encode({**document, "timestamp": rfc3339(event.at)}) + b"\n")


@implementer(IPlugin, IListenerMaker)
class Maker:
    name = "jsonl"

    def make(self, context):
        path = context.settings.get("path")
        return JsonLines(path) if path else None


jsonl = Maker()
