"""Parser of Frigate's version, and table of what each version can be told while it runs.

Evidence: recorded answers of 0.16.4, 0.17.2 and 0.18 in development, of the app and of the parts that start cameras.
What is not here is not done in any version, whatever it answers: ``…/remove`` and ``…/add`` of a camera that is there
in 0.17 (the part that starts cameras dies; two ffmpeg for good), JSON for ``config/set`` in 0.16 (200, and nothing
happens), ``DELETE /api/cameras`` (recordings go with it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: A version above 0 is newer than all that are known here.
_NEWER = 10_000


def minor_of(version: str) -> int:
    """17 for ``0.17`` and for ``0.17.2-abcdef0``."""
    major, _, rest = version.partition(".")
    digits = re.match(r"[0-9]{1,6}", rest)
    return _NEWER if major != "0" else int(digits[0]) if digits else 0


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a Frigate 0.<minor> takes up without a restart."""

    minor: int

    @property
    def adds(self) -> bool:
        """A camera under a name that it does not have yet: by ``config/set`` and ``…/add``, in about a second."""
        return self.minor >= 17

    @property
    def adds_twice(self) -> bool:
        """Whether ``…/add`` of a camera that runs does harm."""
        return self.minor == 17

    @property
    def moves(self) -> bool:
        """A camera's inputs in place: ``…/ffmpeg``."""
        return self.minor >= 18

    @property
    def removes(self) -> bool:
        """A camera that is to go: ``…/remove``."""
        return self.minor >= 18

    @property
    def passes_streams(self) -> bool:
        """Streams of the go2rtc inside it: ``PUT /api/go2rtc/streams/<name>``."""
        return self.minor >= 17

    @property
    def fills_sources(self) -> bool:
        """Whether it replaces variables in a stream's source itself; else the source goes as it is, login and all."""
        return self.minor >= 18
