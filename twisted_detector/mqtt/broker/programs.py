"""The broker programs that can be embedded: which is installed, its configuration, its command line."""

from __future__ import annotations

import errno
import os
import pwd
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from twisted_detector.errors import BrokerError

HOST = "127.0.0.1"
#: Where systems keep programs that are not on a user's PATH.
SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin"

MOSQUITTO, AMQTT = "mosquitto", "amqtt"

_MOSQUITTO_CONF = """\
# Written by camdetect at every start of its embedded broker; changes are lost.
listener {port} {host}
allow_anonymous true
persistence false
log_dest stderr
log_type error
log_type warning
"""

_AMQTT_YAML = """\
# Written by camdetect at every start of its embedded broker; changes are lost.
listeners:
  default:
    type: tcp
    bind: "{host}:{port}"
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin:
    allow_anonymous: true
"""


@dataclass(frozen=True, slots=True)
class Program:
    """One broker program. ``kind``: ``mosquitto`` or ``amqtt``; ``command``: without its configuration."""

    kind: str
    command: tuple[str, ...]

    def arguments(self, directory: Path, port: int) -> list[str]:
        """Write its configuration into ``directory`` (made with mode 0700, the file 0600).

        :returns: the command line that runs it on ``port``, bound to this process (``die_with_parent``).
        :raises BrokerError: the configuration cannot be written.
        """
        config = self._write_config(directory.absolute(), port)
        runner = str(Path(__file__).with_name("die_with_parent.py"))
        # -I and -S: nothing of this package or of the environment is imported, and it is quick.
        arguments = [sys.executable, "-I", "-S", runner, str(os.getpid()), str(config)]
        if self.kind == MOSQUITTO and os.geteuid() == 0 and (user := _unprivileged()) is not None:
            # As root mosquitto changes its user by itself, and the kernel then forgets to end it with us.
            arguments += [str(user.pw_uid), str(user.pw_gid)]
        return [*arguments, "--", *self.command]

    def _write_config(self, directory: Path, port: int) -> Path:
        name, text = ("mosquitto.conf", _MOSQUITTO_CONF) if self.kind == MOSQUITTO else ("amqtt.yaml", _AMQTT_YAML)
        path = directory / name
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # it may belong to the broker's user
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text.format(host=HOST, port=port))
        except OSError as error:
            raise BrokerError("the broker's configuration cannot be written", shown=str(error)) from None
        return path


def find_executable(which: Callable[..., str | None], name: str) -> str | None:
    """Path of program ``name``, on the PATH or in the system's folders; None when it is in neither."""
    return which(name) or which(name, path=SYSTEM_FOLDERS)


def find_program(which: Callable[..., str | None], has_amqtt: Callable[[], bool]) -> Program:
    """mosquitto, else amqtt.

    :raises BrokerError: neither is installed; the text names what to install.
    """
    mosquitto = find_executable(which, MOSQUITTO)
    if mosquitto is not None:
        return Program(MOSQUITTO, (str(Path(mosquitto).absolute()),))
    if has_amqtt():
        return Program(AMQTT, (sys.executable, "-m", "amqtt.scripts.broker_script"))
    raise BrokerError(
        "there is no broker: install mosquitto (apt install mosquitto), or amqtt (pip install 'camdetect[broker]'),"
        " or name a broker elsewhere in MQTT_BROKER"
    )


def free_port(*wanted: int) -> int:
    """A port that is free on loopback at this moment: the first of ``wanted`` that is, else any.

    :raises BrokerError: none is.
    """
    for port in (*wanted, 0):
        if found := _bound(port):
            return found
    raise BrokerError("every port on loopback is taken")


def is_free(port: int) -> bool:
    """Whether nobody listens on that port of loopback, and a program of this user may.

    :raises BrokerError: no port can be had.
    """
    return _bound(port) != 0


def _bound(port: int) -> int:
    """The port, or with 0 any, when it could be bound for a moment; 0 when it is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the brokers do
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise BrokerError("no port can be had on loopback", shown=str(error)) from None
            return 0
        return int(probe.getsockname()[1])


def _unprivileged() -> pwd.struct_passwd | None:
    """The user that mosquitto would become."""
    for name in ("mosquitto", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None
