"""Grammar of the subcommands of this package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol

_ADD = """\
Adds the camera at an address, the cameras of a range or network, or the one of
an rtsp:// URL, and shows each step of the running daemon: whether anything
answers, what it is, whether it needs a login, and whether its streams play. A
step that fails says why, and what would help. What is added is adopted.

A range has at most 1024 addresses. Addresses in SCAN_EXCLUDE and hosts on the
Internet are never contacted. To have a network searched from now on, use
`camdetect networks`.

A login in a URL is removed from it and saved as the camera's. Other users of this
machine can see command-line arguments: with - the target is read from standard
input."""

_STREAM = """\
Sets the URLs of a camera's streams (rtsp:// or rtsps://, with port and path),
which take precedence over what ONVIF or known paths say. The host is always the
camera, even if its address changes; you may write "camera" for it. '' lets
camdetect find one of them again, --clear both. Without options, shows what is set.

A stream that does not play is reported, and no other takes its place. A login in
a URL is saved as the camera's; with - as the URL it is read from standard input,
where other users of this machine cannot see it."""


_LOGIN = """\
Has the running daemon try a login on one camera now, shows what the camera
answered, and keeps the login if it was accepted. The password is prompted for, or
read from a pipe or a file; it is never an argument, because other users can see
those. A camera gets at most two failed logins in 30 minutes.

`camdetect login retry ID` has the daemon retry logins that this camera refused.
One that has worked before is retried once a day anyway."""

_NETWORKS = """\
Lists the networks: where each comes from, how it is searched, when it was last
swept, with how many packets, and how many hosts answered. Or adds or removes
networks, without a restart.

Adding a network means the same as listing it in SCAN_NETWORKS: cameras there are
yours, so they are sent their logins even where this machine does not see their
MAC addresses. A network has at most 65536 addresses, and must be private or one of
this machine's interfaces. Those in the configuration can only be removed there."""

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
        help="an address, a range, a network in CIDR notation, a host name, an rtsp:// URL, or -",
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
        "set a camera's stream URLs",
        _STREAM,
        examples=[
            "camdetect stream front-door --main rtsp://camera:5566/live/1",
            "camdetect stream front-door --clear",
        ],
        status="0 done; 1 no daemon runs, or it refused",
        json="print the answer as JSON",
    )
    stream.add_argument("camera", metavar="ID", help="its id, MAC, address or name")
    stream.add_argument("--main", metavar="URL", help="the stream to record and watch")
    stream.add_argument("--sub", metavar="URL", help="the smaller one beside it")
    stream.add_argument("--clear", action="store_true", help="let camdetect find both")
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
    login.add_argument("user", nargs="?", default="", metavar="USER", help="user name; asked for if not given")
    login.add_argument(
        "--keep",
        choices=KEEP_WORDS,
        default="camera",
        help="for whom it is kept: this camera (default), its network, its manufacturer, all cameras, or nobody",
    )
    what = login.add_mutually_exclusive_group()
    what.add_argument("--save", action="store_true", help="keep it without trying it")
    what.add_argument("--clear", action="store_true", help="remove this camera's own login")
    login.add_argument("--password-file", default="", metavar="FILE", help="file with the password in its first line")
