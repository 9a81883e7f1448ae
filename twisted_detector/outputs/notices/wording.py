"""Words of notices: a headline and a text for people, without markup and without anything that becomes a link.

Names, addresses and reasons are what cameras say of themselves: :func:`harmless` makes them words and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.rules import DAEMON

#: Characters of a name: as many as ONVIF allows; of a reason: a sentence; of a headline: a line on a phone's screen.
MAX_NAME, MAX_REASON, MAX_HEADLINE = 64, 200, 150
#: Characters of a text: Telegram takes 4 096, ntfy 4 096 bytes, of which one character may take four.
MAX_TEXT = 1000
#: Names in a list, and notices in a summary; of more, their number.
MAX_NAMES, MAX_LINES = 12, 10

#: Wall seconds → a time as people here write it.
Clock = Callable[[float], str]

# What is no character of a text: controls, line ends, and marks that hide, join or turn round what stands beside them.
_UNSEEN = re.compile(
    r"[\s\x00-\x1f\x7f-\xa0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\uffff"
    r"\U000e0000-\U000e007f\ud800-\udfff]+"
)
# What mail programs, ntfy and Telegram make links, addresses, mentions and commands of.
_DOT_IN_NAME = re.compile(r"(?<=[^\W_])[.\u3002\uff0e\uff61](?=[^\W\d_])")
_COMMAND = re.compile(r"(?<!\w)([/#])(?=\w)")

_BEGUN: dict[NoticeKind, tuple[str, str]] = {
    NoticeKind.OFFLINE: ("{who} is offline", "{who} are offline"),
    NoticeKind.STREAM: ("{who} answers, but no stream plays", "{who} answer, but no stream plays"),
    NoticeKind.FROZEN: ("{who}: the picture is frozen", "{who}: the pictures are frozen"),
    NoticeKind.LOGIN: ("{who} refuses its login", "{who} refuse their logins"),
    NoticeKind.CLOCK: ("{who}: the clock is wrong", "{who}: the clocks are wrong"),
    NoticeKind.NETWORK: ("{who} is outside its expected network", "{who} are outside their expected networks"),
    NoticeKind.MOVED: ("{who} has a new address", "{who} have new addresses"),
    NoticeKind.NEW: ("New camera: {who}", "{who} are new"),
    NoticeKind.BROKER: ("The MQTT broker is unreachable", ""),
    NoticeKind.DISK: ("camdetect cannot save to disk", ""),
}
_OVER: dict[NoticeKind, tuple[str, str]] = {
    NoticeKind.OFFLINE: ("{who} is back after {time}", "{who} are back after {time}"),
    NoticeKind.STREAM: ("{who} plays again after {time}", "{who} play again after {time}"),
    NoticeKind.FROZEN: ("{who}: the picture moves again after {time}", "{who}: the pictures move again after {time}"),
    NoticeKind.LOGIN: ("{who} accepts its login again after {time}",
                       "{who} accept their logins again after {time}"),
    NoticeKind.CLOCK: ("{who}: the clock is right again after {time}",
                       "{who}: the clocks are right again after {time}"),
    NoticeKind.NETWORK: ("{who} is on its expected network again after {time}",
                         "{who} are on their expected networks again after {time}"),
    NoticeKind.BROKER: ("The MQTT broker is back after {time}", ""),
    NoticeKind.DISK: ("camdetect saves to disk again after {time}", ""),
}  # fmt: skip


def tidy(text: str, most: int) -> str:
    """A text on one line of at most ``most`` characters, with nothing in it that is not seen."""
    short = _UNSEEN.sub(" ", text[: 4 * most]).strip()
    return short if len(short) <= most else f"{short[: most - 1]}…"


def harmless(text: str, most: int) -> str:
    """As :func:`tidy`, without links, mail addresses, mentions and commands: ``evil.example`` → ``evil[.]example``."""
    plain = _DOT_IN_NAME.sub("[.]", tidy(text, most).replace("://", "[:]//").replace("@", "(at)"))
    plain = _COMMAND.sub(r"\1 ", plain)
    return plain if len(plain) <= 2 * most else f"{plain[: 2 * most - 1]}…"


def duration(seconds: float) -> str:
    """A length of time as people say it: ``45 s``, ``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def name_of(subject: NoticeSubject) -> str:
    """The name of a camera, fit to stand in a text."""
    return harmless(subject.name, MAX_NAME) or harmless(subject.id, MAX_NAME)


def headline(notice: Notice) -> str:
    """What happened, on one line."""
    if notice.kind is NoticeKind.TEST:
        return "Test notice from camdetect"
    if notice.kind is NoticeKind.SUMMARY:
        count = len(notice.parts) + notice.more
        return f"{count} notices held back" if count != 1 else "1 notice held back"
    over = notice.until is not None and not notice.kind.is_moment
    if over and notice.removed:
        return f"{_who(notice)} {'was' if len(notice.cameras) == 1 else 'were'} removed"[:MAX_HEADLINE]
    one, several = (_OVER if over else _BEGUN)[notice.kind]
    # The time stands at the end of what may be cut: the name has its own bound, so it is never cut off.
    words = one if len(notice.cameras) < 2 else several
    return words.format(who=_who(notice), time=duration((notice.until or 0.0) - notice.since))


def text(notice: Notice, clock: Clock) -> str:
    """All that is told of a notice, in some lines, without the headline."""
    if notice.kind is NoticeKind.TEST:
        return "This works: notices will arrive here from now on."
    if notice.kind is NoticeKind.SUMMARY:
        lines = [f"{clock(one.since)} {line(one, clock)}" for one in notice.parts[:MAX_LINES]]
        left = len(notice.parts) - len(lines) + notice.more
        return _bounded([*lines, *([f"and {left} more: see camdetect's page"] if left else [])])
    lines = [_times(notice, clock)]
    if len(notice.cameras) == 1:
        where = harmless(notice.cameras[0].address, MAX_NAME)
        lines.append(f"Address: {where}")
    elif notice.cameras:
        lines.append(f"Cameras: {_names(notice.cameras)}")
    if notice.remaining:
        lines.append(f"Still affected: {_names(notice.remaining)}")
    if _reason(notice) and (notice.until is None or notice.kind.is_moment):
        lines.append(f"Reason: {_reason(notice)}")
    return _bounded(lines)


def line(notice: Notice, clock: Clock) -> str:
    """A notice in one sentence, for lists. One that is over has its beginning and its end in it."""
    words = headline(notice)
    if notice.until is not None and not notice.kind.is_moment:
        words += f" (from {clock(notice.since)} to {clock(notice.until)})"
    elif _reason(notice):
        words += f": {_reason(notice)}"
    return words


def _reason(notice: Notice) -> str:
    """The reason; not where it is of the first of several cameras alone, as an address is."""
    if notice.kind.is_moment and len(notice.cameras) > 1:
        return ""
    return harmless(notice.reason, MAX_REASON)


def _times(notice: Notice, clock: Clock) -> str:
    if notice.kind.is_moment:
        return f"At {clock(notice.since)}"
    if notice.until is None:
        return f"Since {clock(notice.since)}"
    return f"From {clock(notice.since)} to {clock(notice.until)} ({duration(notice.until - notice.since)})"


def _who(notice: Notice) -> str:
    """The camera by its name; of several their number, and where they are."""
    if not notice.cameras:
        return "camdetect" if notice.kind in (NoticeKind.BROKER, NoticeKind.DISK) else DAEMON.name
    if len(notice.cameras) == 1 and not notice.remaining:
        return name_of(notice.cameras[0])
    count, whole = len(notice.cameras), len(notice.cameras) + len(notice.remaining)
    number = f"{count} of {whole} cameras" if notice.remaining else f"{count} cameras"
    return f"{number} on {notice.network}" if notice.network else f"{number} on several networks"


def _names(subjects: Sequence[NoticeSubject]) -> str:
    shown = [name_of(one) for one in subjects[:MAX_NAMES]]
    left = len(subjects) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def _bounded(lines: Sequence[str]) -> str:
    whole = "\n".join(lines)
    return whole if len(whole) <= MAX_TEXT else f"{whole[: MAX_TEXT - 1]}…"
