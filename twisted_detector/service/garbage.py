"""Nothing goes in; Python's garbage collector holds still while the daemon starts, and is calm afterwards.

What is imported and built at the start lives as long as the process. To look through it again and again while it grows
took 120 of 970 ms of importing, and a last full collection another 50 to 85, to find 1 750 objects that nobody needs.
"""

from __future__ import annotations

import gc

#: A full collection each so many of the middle ones. Measured: with 20 000 queued messages one stalled the reactor for
#: 30 to 95 ms, and for 7 when what was there at the start was left out.
_FULL = 100


def hold() -> None:
    """Collect nothing until :func:`calm`; for the root, before the heavy imports."""
    gc.disable()


def calm() -> None:
    """Collect from now on, seldom in full, and never look at what is there now again."""
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _FULL)
    gc.enable()
