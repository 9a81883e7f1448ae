"""A service that executes commands: each switches an output exactly once, although messages may come twice.

Switch it on in the configuration file; what is written to ``path`` is 1 or 0, as the kernel's GPIO files take it:

    [plugins.actuator]
    topic = "site/siren/set"
    path = "/sys/class/gpio/gpio17/value"
    max_age = 30

A command is ``{"id": "…", "on": true, "timestamp": "2026-01-31T12:00:00Z"}``; the answer is on ``<topic>/result``. The
id is on the disk before the output is switched, and kept until its command would be refused as too old. After a crash
between the two, a repeated command is not executed again: the answer says that the state of the output is unknown.
"""

import json
import os
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.threads import deferToThreadPool
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.interfaces import IServiceExtension
from twisted_detector.model import Message
from twisted_detector.model.encoding import encode, rfc3339

#: Ids that are remembered at once: thirty commands a second for max_age, which is no way to use a siren.
MAX_REMEMBERED = 1000


def refusal(error):
    return {"ok": False, "error": error}


class Actuator(Service):
    def __init__(self, context, in_thread, topic, path, *, max_age=30.0, state=None):
        self.context, self.in_thread, self.topic, self.path = context, in_thread, topic, Path(path)
        self.max_age, self.state = float(max_age), Path(state or context.config.state_dir / "actuator.json")
        self.answers = {}  # id → [seconds of its timestamp, the answer; None until it is executed]
        self.not_before = 0.0

    def startService(self):
        super().startService()
        try:
            saved = json.loads(self.state.read_bytes())
            self.answers, self.not_before = dict(saved["answers"]), float(saved["not_before"])
        except FileNotFoundError:
            self.answers = {}
        except (OSError, ValueError, LookupError, TypeError):
            # What was executed before is not known any more, so no command from before is executed.
            self.answers, self.not_before = {}, self.context.clock.seconds()
        self.unsubscribe = self.context.subscribe(self.topic, self.receive)

    def stopService(self):
        super().stopService()
        self.unsubscribe()

    async def receive(self, _, payload):  # one at a time: the next message waits until this one is done
        identifier = None
        try:
            identifier, on, at = read(payload)
            answer = await self.execute(identifier, on, at)
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
            answer = refusal("a command is a JSON object with id (text), on (true or false) and timestamp (RFC 3339)")
        document = {"id": identifier, **answer, "timestamp": rfc3339(self.context.clock.seconds())}
        self.context.publish(Message(f"{self.topic}/result", encode(document), expires_after=600.0))

    async def execute(self, identifier, on, at):
        now = self.context.clock.seconds()
        self.answers = {key: item for key, item in self.answers.items() if now - item[0] <= self.max_age}
        if identifier in self.answers:
            return self.answers[identifier][1] or refusal("interrupted: the output may be switched or not")
        if abs(now - at) > self.max_age or at < self.not_before:
            return refusal("not obeyed: its timestamp is too old, or in the future")
        if len(self.answers) >= MAX_REMEMBERED:
            return refusal("not obeyed: too many commands")
        self.answers[identifier] = [at, None]
        try:
            await self.save()
        except OSError as error:
            del self.answers[identifier]
            return refusal(f"not obeyed: it cannot be remembered ({error.strerror})")
        answer = {"ok": True, "on": on}
        try:
            await self.in_thread(self.path.write_bytes, b"1" if on else b"0")
        except OSError as error:
            answer = refusal(f"the output cannot be switched ({error.strerror})")
        self.answers[identifier] = [at, answer]
        with suppress(OSError):  # that it was begun is on the disk already: it will never be executed again
            await self.save()
        return answer

    def save(self):
        document = {"answers": self.answers, "not_before": self.not_before}
        return self.in_thread(replace, self.state, encode(document))


def read(payload):
    command = json.loads(payload)
    identifier, on, at = command["id"], command["on"], datetime.fromisoformat(command["timestamp"])
    if not isinstance(identifier, str) or not 0 < len(identifier) <= 100 or not isinstance(on, bool) or not at.tzinfo:
        raise ValueError("not a command")
    return identifier, on, at.timestamp()


def replace(path, data):
    """The old file or the new one, whole, whenever the power goes."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@implementer(IPlugin, IServiceExtension)
class Maker:
    name = "actuator"

    def make(self, context):
        if not context.settings:
            return None
        # Neither the disk nor the output may hold up the reactor.
        return Actuator(context, partial(in_pool, context.reactor), **context.settings)


def in_pool(reactor, function, *arguments):
    return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)


actuator = Maker()
