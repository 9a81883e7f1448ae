"""The networks of a site, of a configuration and of a book of decisions in memory or on the disk."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import maybeDeferred

from twisted_detector.config.config import Config
from twisted_detector.config.running import RunningConfig
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.networks.site import SiteNetworks


def book_in(folder: str) -> DecisionBook:
    """A book that reads and writes its file at once."""
    Path(folder).mkdir(mode=0o700)
    return DecisionBook(Path(folder), in_thread=maybeDeferred)


def networks_of(config: Config) -> SiteNetworks:
    """The networks of a configuration to which nobody added any."""
    return SiteNetworks(RunningConfig(config), DecisionBook(Path(), in_thread=maybeDeferred))
