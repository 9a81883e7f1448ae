"""Environments and files as dictionaries, and the Config or the faults that come of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.config import Config
from twisted_detector.config.load import load
from twisted_detector.config.reader import FileContent
from twisted_detector.errors import ConfigError

HOME = {"HOME": "/home/somebody"}


PEM = "-----BEGIN CERTIFICATE-----\n"


class Files:
    """Files in memory: path → text or bytes, or (text, mode)."""

    def __init__(self, files: Mapping[str, str | bytes | tuple[str, int]]) -> None:
        self._files = files

    def __call__(self, path: Path) -> FileContent:
        try:
            found = self._files[str(path)]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", str(path)) from None
        text, mode = found if isinstance(found, tuple) else (found, 0o600)
        return FileContent(data=text.encode() if isinstance(text, str) else text, mode=mode)


def read(
    environ: Mapping[str, str] | None = None,
    files: Mapping[str, str | bytes | tuple[str, int]] | None = None,
    *,
    hostname: str = "pine",
    superuser: bool = False,
) -> Config:
    return load(HOME | dict(environ or {}), hostname=hostname, superuser=superuser, read_file=Files(files or {}))


def logins(config: Config) -> list[tuple[str, str]]:
    return [(login.name, login.password.reveal()) for login in config.inspection.credentials]


class ConfigCase(SynchronousTestCase):
    def faults(
        self,
        environ: Mapping[str, str],
        files: Mapping[str, str | bytes | tuple[str, int]] | None = None,
        *,
        hostname: str = "pine",
    ) -> tuple[str, ...]:
        """The faults of a configuration that must have some."""
        return self.assertRaises(ConfigError, read, environ, files, hostname=hostname).faults
