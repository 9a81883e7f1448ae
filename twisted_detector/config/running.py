"""Holder of the configuration that the daemon goes by: as it was at the start, with what a reload changed since."""

from __future__ import annotations

from twisted_detector.config.config import Config
from twisted_detector.model.observers import Observers


class RunningConfig:
    """The configuration in use. Parts that follow a reload read it when they need it, or observe ``changed``.

    :ivar current: of a setting that needs a restart it has the value of the start, whatever the file says by now.
    :ivar changed: called with the configurations before and after each reload that changed something.
    """

    def __init__(self, config: Config) -> None:
        self.current = config
        self.changed: Observers[[Config, Config]] = Observers("a change of the configuration")

    def use(self, config: Config) -> None:
        """Go by ``config`` from now on, and tell the observers."""
        before, self.current = self.current, config
        if before != config:
            self.changed.notify(before, config)
