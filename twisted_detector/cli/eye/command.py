"""``camdetect eye``: makes a key, or runs the eye that has one."""

from __future__ import annotations

import gc
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.config.eyes import NAME_OF_EYE
from twisted_detector.errors import CamdetectError, ConfigError, LocalError
from twisted_detector.model.eyes import KEY_OCTETS


def write_key(file: str, name: str | None, *, out: TextIO, err: TextIO) -> int:
    """Write a new key with the eye's name, for its owner's eyes only; exit status 1 when that cannot be done."""
    path = Path(file)
    name = path.name.partition(".")[0] if name is None else name
    if not NAME_OF_EYE.fullmatch(name):
        err.write(f"camdetect eye: {name!r} is no name: letters, digits, - and _, 32 at most; give one with --name\n")
        return 2
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        err.write(f"camdetect eye: {path} is there already: nothing is overwritten\n")
        return 1
    except OSError as error:
        err.write(f"camdetect eye: {path} cannot be written: {error.strerror}\n")
        return 1
    with os.fdopen(opened, "w", encoding="ascii") as stream:
        os.fchmod(stream.fileno(), 0o600)  # whatever the umask leaves
        stream.write(f"{name}:{secrets.token_hex(KEY_OCTETS)}\n")
    out.write(
        f"{path}: the key of the eye {name}\n\nNext:\n"
        f"  at the node, append this line to the file that EYE_KEYS_FILE names (mode 0600), and restart it\n"
        f"  here, camdetect eye --broker HOST --key-file {path}\n"
    )
    return 0


def settings_of(environ: Mapping[str, str], broker: str | None, key_file: str | None) -> dict[str, str]:
    """The environment with what was given on the command line in its place."""
    given = dict(environ)
    if key_file is not None:
        given.pop("EYE_KEYS", None)
        given["EYE_KEYS_FILE"] = key_file
    if broker is not None:
        host, colon, port = broker.rpartition(":")
        is_host_alone = not colon or (broker.count(":") > 1 and not host.endswith("]"))
        given["MQTT_BROKER"] = broker if is_host_alone else host
        if not is_host_alone:
            given["MQTT_PORT"] = port
    return given


def without_pyopenssl() -> None:
    """Have Twisted do without pyOpenSSL: an eye speaks no TLS by it (paho has Python's), and it takes 12 MiB.

    Before anything of Twisted's network is imported.
    """
    sys.modules.setdefault("OpenSSL", None)  # type: ignore[arg-type]


def run_eye(reactor: Any, environ: Mapping[str, str], *, out: TextIO, err: TextIO) -> int:
    """Run the eye until SIGTERM or Ctrl-C; exit status 2 when the configuration has a fault."""
    from twisted_detector.service.eye_config import load_eye
    from twisted_detector.service.process_hardening import forbid_inspection

    forbid_inspection()  # before the key is read
    try:
        config = load_eye(environ)
    except ConfigError as error:
        err.write(f"camdetect eye: {error}\n")
        return 2
    from twisted.logger import globalLogBeginner
    from txaio.tx import get_global_log_level, set_global_log_level

    from twisted_detector.service.eye import Eye
    from twisted_detector.service.garbage import begin_collecting, share_heap, trim_heap
    from twisted_detector.service.log_lines import log_observer
    from twisted_detector.service.monotonic_reactor import monotonic_reactor

    observer = log_observer(out, level=get_global_log_level, environment=environ)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    set_global_log_level(config.log_level)
    share_heap()
    try:
        eye = Eye(monotonic_reactor(reactor), config)
    except LocalError as error:  # of settings that do not go together
        err.write(f"camdetect eye: {error}\n")
        return 2
    try:
        eye.startService()
    except (OSError, CamdetectError) as error:
        err.write(f"camdetect eye: this machine's links cannot be watched: {error}\n")
        return 1
    reactor.addSystemEventTrigger("before", "shutdown", eye.stopService)
    gc.collect()
    begin_collecting()
    trim_heap()
    reactor.run()
    return 0
