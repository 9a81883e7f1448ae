"""Log observer of the daemon: one line an event, `time level room text`.

The time is the local one, of the stamps within a text too: of the day on a terminal, with the date and the offset from
UTC in a file. The journal has a
time of its own and is told the priority instead (sd-daemon(3): ``<6>``). What Twisted says of itself (ports that open
and close, its own start and end) is shown from warnings on, and all of it with LOG_LEVEL=debug.

No text of a device or a broker can break a line or steer a terminal: control characters are shown as escapes. Lines of
a traceback, and of a text that this program wrote as several lines, follow the first one, indented.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TextIO

from twisted.application.service import IService, MultiService
from twisted.logger import FileLogObserver, ILogObserver, LogEvent, LogLevel, formatEvent

_PACKAGE = "twisted_detector"

#: Priorities of syslog(3), by which the journal filters.
_PRIORITIES = {LogLevel.debug: 7, LogLevel.info: 6, LogLevel.warn: 4, LogLevel.error: 3, LogLevel.critical: 2}
_ORDER = tuple(_PRIORITIES)

#: Widths of the longest level but one, and of the longest name of a room.
_LEVEL_WIDTH, _ROOM_WIDTH = 5, 10

#: C0 and C1 (line breaks, escape sequences), Unicode's line breaks, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
#: The stamps of reasons, which are UTC for the machines that read documents.
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_INDENT = "    "


def log_observer(stream: TextIO, *, level: Callable[[], str], environment: Mapping[str, str]) -> FileLogObserver:
    """The observer that writes to ``stream``.

    :param level: LOG_LEVEL as it is now; what is less is not written.
    :param environment: of the process; systemd says there which stream is its journal's.
    """
    if _is_journal(stream, environment):
        start = _priority
    else:
        form = "%H:%M:%S" if stream.isatty() else "%Y-%m-%dT%H:%M:%S%z"
        start = lambda event: f"{datetime.fromtimestamp(event['log_time']).astimezone():{form}} "  # noqa: E731
    encoding = getattr(stream, "encoding", None) or "utf-8"

    def form_lines(event: LogEvent) -> str | None:
        if not _is_shown(event, LogLevel.levelWithName(level())):
            return None
        # A name in the wrong encoding, or a terminal without Unicode, must not cost the line.
        return _lines(event, start(event)).encode(encoding, "backslashreplace").decode(encoding)

    return FileLogObserver(stream, form_lines)


def takes_own_lines(arguments: Sequence[str]) -> bool:
    """Whether twistd, called with these arguments, logs to standard output and in no form that the user chose."""
    short = "".join(word for word in arguments if re.match("-[a-z]", word))
    long = [word for word in arguments if word.startswith("--")]
    elsewhere = "l" in short or any(word.startswith(("--log", "--sys")) for word in long)
    return ("n" in short or any(word.startswith("--nod") for word in long)) and not elsewhere


class LoggedService(MultiService):
    """Service of ``twistd camdetect``, which gives the observer to the application that it becomes part of."""

    def __init__(self, service: IService, observer: FileLogObserver) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._observer = observer
        service.setServiceParent(self)

    def setServiceParent(self, parent: object) -> None:
        """Become part of ``parent``."""
        parent.setComponent(ILogObserver, self._observer)  # type: ignore[attr-defined]
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """As systemd.exec(5) has it: JOURNAL_STREAM is the device and inode of its stream; an heir may write elsewhere."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _priority(event: LogEvent) -> str:
    return f"<{_PRIORITIES.get(event.get('log_level'), 6)}>"


def _is_shown(event: LogEvent, least: object) -> bool:
    level = event.get("log_level") or LogLevel.info
    if least is not LogLevel.debug and _is_of_twisted(event.get("log_namespace") or ""):
        least = LogLevel.warn if _ORDER.index(LogLevel.warn) > _ORDER.index(least) else least
    return _ORDER.index(level) >= _ORDER.index(least)


def _is_of_twisted(namespace: str) -> bool:
    return namespace == "log_legacy" or namespace.partition(".")[0] == "twisted"


def _room(namespace: str) -> str:
    """The package of ours, the module of a plugin, or whose program else it is."""
    first, _, rest = namespace.partition(".")
    if first != _PACKAGE:
        return "twisted" if first == "log_legacy" else first
    room, _, rest = rest.partition(".")
    module = rest.partition(".")[0]
    return module if room == "plugins" and module and not module.startswith("builtin") else room


def _lines(event: LogEvent, start: str) -> str:
    level = (event.get("log_level") or LogLevel.info).name
    room = _escape(_room(event.get("log_namespace") or "") or "-")
    text = _UTC.sub(_local_time, formatEvent(event))
    # Line breaks that this program wrote are meant; any other came with a value.
    parts = text.split("\n") if "\n" in (event.get("log_format") or "") else [text]
    failure = event.get("log_failure")
    if failure is not None:
        parts += failure.getTraceback().rstrip("\n").split("\n")
    first, *more = map(_escape, parts)
    head = f"{start}{level:{_LEVEL_WIDTH}} {room:{_ROOM_WIDTH}} {first}"
    # The journal takes each line for an entry of its own: every one has the priority.
    prefix = start if start.startswith("<") else ""
    return "".join(f"{line}\n" for line in (head, *(f"{prefix}{_INDENT}{line}" for line in more)))


def _local_time(stamp: re.Match[str]) -> str:
    """A stamp in the time of the line that it stands in."""
    try:
        return f"{datetime.fromisoformat(stamp[0]).astimezone():%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError):  # of no calendar
        return stamp[0]


def _escape(text: str) -> str:
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)
