"""Grammar of the subcommands of this package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol

_ADD = """\
Adds the camera at an address, the cameras of a range or network, or the one of
an rtsp:// URL, and shows what the running daemon does for it: whether anybody
answers, what it is, whether it wants a login, and whether its streams play. A
step that fails says why, and what would help. What is added is adopted.

A range has at most 1024 addresses. The daemon asks only where it may: not what
SCAN_EXCLUDE names, no strangers in the Internet. To have a network searched from
now on, use `camdetect networks`.

A login in a URL is taken out of it and kept as the camera's. Other users of this
machine can read the arguments of a command: with - the target is read from the
standard input."""

_STREAM = """\
Says where a camera's streams are, before all that ONVIF or known paths would
say: rtsp:// or rtsps:// with port and path. The host is always the camera,
whatever address it has later; "camera" may stand for it. '' leaves one of them to
camdetect again, --clear both. Without any of them it shows what is given.

A stream that does not play is told, and no other takes its place. A login in a
URL is kept as the camera's; with - as the URL it is read from the standard input,
where other users of this machine cannot see it."""


_LOGIN = """\
Has the running daemon try a login on one camera now, tells what the camera
answered, and keeps what it accepts. The password is asked for without echo, or
read from a pipe or a file; it is never an argument, for others see those. A
camera is given at most two failed logins in 30 minutes.

`camdetect login retry ID` has the daemon retry the logins that it has and that
this camera refused. One that worked once is retried once a day anyway."""

_NETWORKS = """\
Lists the networks with where each is from, by what it is searched, when its
addresses were swept last, with how many packets, and how many hosts answered; or
adds or removes networks, at once and without a restart.

A network that you add means what one in SCAN_NETWORKS means: cameras there are
yours, so they are given the logins that are for them, also where this machine
does not see their MAC addresses. It has at most 65536 addresses, and is private
or a network of this machine's interfaces. What the configuration names is
removed there."""

#: For whom a login is kept: those of ``operations.logins.keeping.CHOICES``.
KEEP_WORDS = ("camera", "network", "vendor", "all", "no")


class Commands(Protocol):
    """Maker of the subcommands."""

    def add(
        self, name: str, short: str, purpose: str, *, examples: Sequence[str] = (), status: str = "", json: str = ""
    ) -> argparse.ArgumentParser:
        """A subcommand."""


def add_decisions(commands: Commands) -> None:
    """Add the subcommands of this package."""
    add = commands.add(
        "add",
        "add a camera by its address or its stream's URL",
        _ADD,
        examples=[
            "camdetect add 192.168.1.20",
            "camdetect add 10.0.0.5-10.0.0.40",
            "camdetect add rtsp://192.168.1.20:5566/live/1",
            "camdetect add - < url.txt",
        ],
        status="0 at least one camera was found; 1 none was, no daemon runs, or it refused",
        json="print the last state of all steps as JSON",
    )
    add.add_argument(
        "target",
        metavar="TARGET",
        help="an address, a range, a network in CIDR notation, a host's name, an rtsp:// URL, or -",
    )
    networks = commands.add(
        "networks",
        "list, add or remove the networks that are searched",
        _NETWORKS,
        examples=[
            "camdetect networks",
            "camdetect networks add 10.20.0.0/24",
            "camdetect networks remove 10.20.0.0/24",
        ],
        status="0 done; 1 no daemon runs, or it refused",
        json="print the list as JSON",
    )
    networks.add_argument("action", nargs="?", choices=("add", "remove"), help="what to do; without it they are listed")
    networks.add_argument("networks", nargs="*", metavar="NET", help="a network in CIDR notation, or one address")
    stream = commands.add(
        "stream",
        "say where a camera's streams are",
        _STREAM,
        examples=[
            "camdetect stream front-door --main rtsp://camera:5566/live/1",
            "camdetect stream front-door --clear",
        ],
        status="0 done; 1 no daemon runs, or it refused",
        json="print the answer as JSON",
    )
    stream.add_argument("camera", metavar="ID", help="its id, MAC, address or name")
    stream.add_argument("--main", metavar="URL", help="the stream to be recorded and watched")
    stream.add_argument("--sub", metavar="URL", help="the smaller one beside it")
    stream.add_argument("--clear", action="store_true", help="leave both to camdetect")
    login = commands.add(
        "login",
        "try a login on a camera now, and keep it",
        _LOGIN,
        examples=[
            "camdetect login front-door viewer",
            "camdetect login front-door viewer --keep network --password-file /run/secrets/viewer",
            "camdetect login front-door --clear",
            "camdetect login retry front-door",
        ],
        status="0 accepted, not needed, kept or removed; 1 refused, not answered or not tried, or no daemon runs",
    )
    login.add_argument("camera", metavar="ID", help="its id, MAC, address or name; or the word retry before it")
    login.add_argument("user", nargs="?", default="", metavar="USER", help="name of the user; else it is asked for")
    login.add_argument(
        "--keep",
        choices=KEEP_WORDS,
        default="camera",
        help="for whom it is kept: this camera (default), its network, its manufacturer, all cameras, or nobody",
    )
    what = login.add_mutually_exclusive_group()
    what.add_argument("--save", action="store_true", help="keep it without trying it")
    what.add_argument("--clear", action="store_true", help="remove the login that this camera has of its own")
    login.add_argument("--password-file", default="", metavar="FILE", help="file with the password in its first line")
