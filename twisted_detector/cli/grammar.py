"""The grammar of the command line: subcommands, their arguments and their help.

The completion scripts are made of it too (``cli/completion.py``). Nothing heavy is imported: ``--help`` is quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from ipaddress import ip_address
from textwrap import fill

from twisted_detector import __version__
from twisted_detector.cli.decisions.grammar import add_decisions
from twisted_detector.cli.eye.grammar import add_eye
from twisted_detector.cli.notices.grammar import add_notices
from twisted_detector.cli.plugins.grammar import add_plugins

_DESCRIPTION = """\
Finds the IP cameras on your networks, recognises each one even after its
address changes, checks that its streams play, and publishes it all over MQTT."""

_EPILOG = """\
first steps:
  camdetect run                                  run the daemon in the foreground
  camdetect list --watch                         see the cameras come and go
  camdetect show front-door                      show everything known about one camera
  camdetect adopt front-door                     let a camera be given your logins
  camdetect why 192.168.1.20                     find out why an address is not listed as a camera
  camdetect doctor                               check the daemon and this machine
  camdetect config --example > camdetect.toml    start a configuration file
  camdetect simulate --count 3 --bind 127.0.0.1  try it with three simulated cameras

Settings come from environment variables, or from a TOML file that
CAMDETECT_CONFIG names. The running daemon is found by itself; set STATE_DIR to
choose one of several. `camdetect COMMAND -h` describes a command.

exit status:
  0 done; 1 it could not be done; 2 wrong arguments or configuration
"""

_SIMULATE = """\
Runs cameras that answer WS-Discovery, ONVIF and RTSP with a moving H.264 picture (640x360 and 320x180, 15 frames per
second), until Ctrl-C or SIGTERM.

Cameras are spread over the addresses in turn. More cameras than addresses share an address and take the next ports up.
On Linux all of 127.0.0.0/8 is there to be used: --bind 127.0.0.1 127.0.0.2 127.0.0.3

A daemon on the same network takes them for the cameras that they play; one that is not to asks nothing there with
SCAN_EXCLUDE, or forgets them for good with `camdetect block`."""

_SIMULATE_EPILOG = """\
login:
  SIMULATOR_LOGIN=name:password in the environment, or the first line of --login-file; else a made-up pair, printed.

quirks, each given with its own --quirk:
  silent            accepts connections and never answers     garbage         answers bytes of no protocol
  no_frames         PLAY is answered, no picture comes         busy            SETUP is answered with 453
  auth_first        401 before 404 for unknown paths           mute            does not answer WS-Discovery
  pretty            SOAP on many lines                         matches=N       N ProbeMatches in one datagram
  xaddr_host=HOST   announces another host                     stream_host=HOST  the same in stream URIs
  secret_path=PATH  the only RTSP path that exists             delay=SECONDS   every answer comes later
  clock_skew=SECONDS  its clock is ahead by that much          clock_window=SECONDS  tolerance of WS-UsernameToken
  local_as_utc=SECONDS  says local time for UTC, so far east
  frozen            the same picture for ever                  snapshot=WHAT   denied, huge, html, multipart, elsewhere
  lock_after=N      locks after N failed logins                lock_seconds=SECONDS  for how long
  lock_silent       says neither how many are left nor that it is locked
"""

#: Words for --auth: those of ``testing.simulator.camera.Auth``, which is not imported here to keep --help quick.
AUTH_WORDS = ("none", "digest", "digest-sha256", "wsse", "basic")

#: Statuses of a camera: those of ``model.Status``.
STATUS_WORDS = ("online", "offline", "auth_required", "stream_error", "busy", "sleeps")

#: Shells that have a completion script: those of ``cli.completion.SCRIPTS``.
SHELL_WORDS = ("bash", "zsh", "fish")

#: Words for export: those of ``operations.export.FORMATS``, which is not imported here to keep --help quick.
EXPORT_WORDS = ("frigate", "go2rtc", "json", "csv")


class _Commands:
    """Maker of the subcommands, all with the same kind of help."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._adding = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    def add(
        self, name: str, short: str, purpose: str, *, examples: Sequence[str] = (), status: str = "", json: str = ""
    ) -> argparse.ArgumentParser:
        """A subcommand; ``short`` is its line in the list, ``status`` what its exit status tells."""
        shown = "".join(f"  {line}\n" for line in examples)
        epilog = "\n".join(
            text
            for text in (f"example:\n{shown}" if shown else "", f"exit status:\n{_wrapped(status)}" if status else "")
            if text
        )
        added = self._adding.add_parser(
            name,
            help=short,
            description=purpose if "\n" in purpose else fill(purpose, _WIDTH),
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if json:
            added.add_argument("--json", action="store_true", help=json)
        return added


#: Columns of a help text: what every terminal has.
_WIDTH = 80
_CAMERA = "its id, MAC, address or name"
_NEEDS_DAEMON = "0 done; 1 no daemon runs, or it refused"
_EVERYTHING = "print every field as JSON"


def _wrapped(text: str) -> str:
    return fill(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from None


def build_parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("camdetect", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"camdetect {__version__}")
    commands = _Commands(parser)
    _add_daemon(commands)
    _add_reading(commands)
    _add_deciding(commands)
    add_decisions(commands)
    add_notices(commands)
    add_plugins(commands)
    _add_setup(commands)
    add_eye(commands)
    _add_simulate(commands)
    return parser


def _add_daemon(commands: _Commands) -> None:
    commands.add(
        "run",
        "run the daemon in the foreground",
        "Runs the daemon until SIGTERM or Ctrl-C, as `twistd -n -y camdetect.tac` does. `camdetect config --show` "
        "prints the settings that it would use.",
        examples=["MQTT_BROKER=mqtt.example.org camdetect run", "CAMDETECT_CONFIG=/etc/camdetect.toml camdetect run"],
        status="0 stopped; 1 it could not start; 2 invalid configuration, or a STATE_DIR that others can write: "
        "trying again does not help",
    )
    status = commands.add(
        "status",
        "show the daemon's status",
        "Shows the running daemon's MQTT connection, queue, sweeps, camera counts and resource use.",
        examples=["camdetect status", "camdetect status --quiet || echo 'camdetect is down'"],
        status="0 the daemon answers; 1 it does not",
        json="print the health document as JSON",
    )
    status.add_argument("--quiet", action="store_true", help="print nothing, for a health check")
    status.add_argument("--fleet", action="store_true", help="show all nodes of the broker")
    commands.add(
        "doctor",
        "check the daemon and this machine",
        "Checks network interfaces and multicast, containers, the kernel's neighbour table, limits, capabilities, "
        "MQTT, the store, the cameras and their clocks. Without a daemon it checks what it can of this machine.",
        examples=["camdetect doctor"],
        status="0 nothing failed; 1 something failed",
        json="print the findings as JSON",
    )
    commands.add(
        "page",
        "show where the web page is, with a sign-in link",
        "Prints the addresses of the running daemon's web page, where its token is, and a link that signs a browser in "
        "once. On loopback no token is needed; it tells how to open the page from another machine.",
        examples=["camdetect page"],
        status="0 shown; 1 no daemon runs, or it has no page",
        json="print the answer as JSON",
    )
    reload = commands.add(
        "reload",
        "reload the configuration",
        "Has the running daemon read its configuration file, the files of logins and secrets, and the decisions in "
        "STATE_DIR/overrides again, and tells what changed. Logins, networks, exclusions, SCAN_RATE and LOG_LEVEL hold "
        "at once; settings that need a restart are named. Environment variables are as they were at the start. A "
        "configuration with a fault changes nothing. SIGHUP does the same, with the answer in the log.",
        examples=["camdetect reload", "camdetect reload --restart"],
        status="0 read; 1 something has a fault, or no daemon runs; 2 invalid configuration",
    )
    reload.add_argument("--restart", action="store_true", help="restart the daemon's parts if a setting needs that")
    commands.add(
        "rescan",
        "have the daemon begin a sweep now",
        "Tells the running daemon to begin a sweep now, and returns at once. `camdetect scan` waits for its end and "
        "lists what was found.",
        examples=["camdetect rescan"],
        status=_NEEDS_DAEMON,
    )


def _add_reading(commands: _Commands) -> None:
    listing = commands.add(
        "list",
        "list the known cameras",
        "Lists the cameras. The running daemon is asked; when none runs, what it saved in STATE_DIR is read.",
        examples=["camdetect list --watch", "camdetect list --json | jq -r '.[].address'"],
        status="0 listed; 1 no daemon runs and there is no state directory; 2 a state directory that others can write",
        json=_EVERYTHING,
    )
    listing.add_argument("--watch", action="store_true", help="follow the running daemon until Ctrl-C")
    listing.add_argument("--fleet", action="store_true", help="those of all nodes of the broker, each with its node")
    show = commands.add(
        "show",
        "show everything known about one camera",
        "Shows a camera with its streams, addresses and identifiers. The running daemon is asked; when none runs, what "
        "it saved in STATE_DIR is read.",
        examples=["camdetect show front-door", "camdetect show 192.168.1.20"],
        status="0 shown; 1 there is no such camera",
        json=_EVERYTHING,
    )
    show.add_argument("camera", metavar="ID", help=_CAMERA)
    commands.add(
        "scan",
        "sweep once and list the cameras",
        "Sweeps once with every discovery method, inspects the devices that answer, and lists all cameras. A running "
        "daemon does the sweep; when none runs it is done here, without MQTT, and saved in STATE_DIR.",
        examples=["camdetect scan", "STATE_DIR=/tmp/once camdetect scan"],
        status="0 the sweep ended, whether or not it found a camera; 1 it could not be done",
        json=_EVERYTHING,
    )
    why = commands.add(
        "why",
        "explain why an address is not listed as a camera",
        "Tells what the running daemon saw of an address, by which method and when, what it asked and what came back. "
        "It then looks once more (ARP, and a connection to each usual port) and names the likely reason.",
        examples=["camdetect why 192.168.1.20"],
        status=_NEEDS_DAEMON,
        json="print the answer as JSON",
    )
    why.add_argument("address", metavar="ADDRESS", type=_address, help="an IP address")
    export = commands.add(
        "export",
        "export the cameras for Frigate or go2rtc, or as JSON or CSV",
        "Writes the cameras as a configuration for another program. Passwords are never written: variables stand for "
        "them (FRIGATE_ENV_PATH, GO2RTC_ENV_PATH). Where several Frigates or go2rtcs are configured, each has cameras "
        "of its own: --for north selects [frigate.north].",
        examples=["camdetect export frigate --for north", "camdetect export csv > cameras.csv"],
        status="0 written; 1 the cameras could not be read",
    )
    export.add_argument("format", choices=EXPORT_WORDS, metavar="|".join(EXPORT_WORDS), help="output format")
    export.add_argument(
        "--for",
        dest="consumer",
        metavar="NAME",
        default="",
        help="name of its table in the configuration file; without it, that of the plain settings",
    )
    export.add_argument("--diff", action="store_true", help="frigate: show what the running daemon would change there")


def _add_deciding(commands: _Commands) -> None:
    adopt = commands.add(
        "adopt",
        "let cameras be given logins",
        "Adopts cameras: from now on the daemon may give them the logins that are for any camera, and writes these for "
        "Frigate and go2rtc. Look at them first: an adopted device is sent a password.",
        examples=["camdetect adopt front-door 192.168.1.21", "camdetect adopt --all"],
        status=_NEEDS_DAEMON,
    )
    adopt.add_argument("cameras", nargs="*", metavar="ID", help=_CAMERA)
    adopt.add_argument("--all", action="store_true", help="every camera that is not adopted")
    for name, short, purpose in (
        ("unadopt", "stop giving cameras logins", "Ends the adoption of cameras: they are given no login any more."),
        ("check", "check cameras again now", "Has the daemon check cameras now, without waiting for their next check."),
        (
            "block",
            "forget cameras and never contact them again",
            "Blocks devices: they are never contacted and never shown.",
        ),
    ):
        commands.add(
            name, short, purpose, examples=[f"camdetect {name} front-door"], status=_NEEDS_DAEMON
        ).add_argument("cameras", nargs="+", metavar="ID", help=_CAMERA)
    commands.add(
        "unblock",
        "unblock devices, or list the blocked ones",
        "Unblocks devices: camdetect looks for them now, and lists them as new when found. Without an ID, lists the "
        "blocked ones.",
        examples=["camdetect unblock", "camdetect unblock 02:00:00:00:00:0a"],
        status=_NEEDS_DAEMON,
    ).add_argument("devices", nargs="*", metavar="ID", help="the id that it had, its MAC or its EndpointReference")
    naming = commands.add(
        "name",
        "give a camera a name, an area or a note",
        "Gives a camera a name and an area, which are used on the page, in lists and the log, in Home Assistant, "
        "Frigate and go2rtc; its id stays the same. An empty value ('') removes one, and the camera's own name is used "
        "again. Without values, shows what is set.",
        examples=["camdetect name 192.168.1.20 'Barn door' --area Yard", "camdetect name barn ''"],
        status=_NEEDS_DAEMON,
    )
    naming.add_argument("camera", metavar="ID", help=_CAMERA)
    naming.add_argument("name", metavar="NAME", nargs="?", help="what you call it, at most 64 characters")
    naming.add_argument("--area", help="where it is installed: Home Assistant's suggested area")
    naming.add_argument("--note", help="a note for yourself, at most 500 characters")
    naming.add_argument("--network", metavar="CIDR", help="where it is expected: elsewhere it is sent no login")
    forget = commands.add(
        "forget",
        "remove cameras from the list",
        "Forgets cameras: their retained topics are removed, and one that is still there is found again as new. Name "
        "cameras, or select them by criteria, all of which must hold. To keep a device away, use `camdetect block`.",
        examples=["camdetect forget old-garage", "camdetect forget --status offline --older-than 30 --dry-run"],
        status=_NEEDS_DAEMON,
    )
    forget.add_argument("cameras", nargs="*", metavar="ID", help=_CAMERA)
    forget.add_argument("--status", choices=STATUS_WORDS, action="append", help="with this status (may be repeated)")
    forget.add_argument("--network", metavar="CIDR", help="with an address in this network")
    forget.add_argument("--older-than", type=float, metavar="DAYS", help="not seen for so many days")
    forget.add_argument("--never-proved", action="store_true", help="none of whose streams ever played")
    forget.add_argument("--not-adopted", action="store_true", help="not adopted")
    forget.add_argument("--dry-run", action="store_true", help="only show which ones the criteria select")


def _add_setup(commands: _Commands) -> None:
    config = commands.add(
        "config",
        "show or check the settings, or write an example file",
        "Shows the settings with their values and where each comes from (environment, file or default), checks them, "
        "or prints a commented configuration file. Passwords are masked.",
        examples=["camdetect config --check", "camdetect config --example > camdetect.toml"],
        status="0 done, with --check: the configuration is valid; 1 --check found faults, and printed all of them; "
        "2 --show: invalid configuration",
    )
    what = config.add_mutually_exclusive_group(required=True)
    what.add_argument("--show", action="store_true", help="print every setting, its value and its source")
    what.add_argument("--check", action="store_true", help="print all faults and warnings; nothing is started")
    what.add_argument("--example", action="store_true", help="print a TOML file with every setting, commented out")
    config.add_argument("--json", action="store_true", help="with --show: print it as JSON")
    backup = commands.add(
        "backup",
        "write the state directory into one file",
        "Writes what camdetect knows (the cameras with their history, your settings for them, and the logins "
        "you entered) into one file, mode 0600, while the daemon runs. Configuration files and pictures are not in it.",
        examples=["camdetect backup /var/backups/camdetect.tar.gz"],
        status="0 written; 1 there is no state, or the file is there already",
    )
    backup.add_argument("file", metavar="FILE", help="archive to write")
    backup.add_argument(
        "--without-logins", action="store_true", help="leave out passwords and everything derived from them"
    )
    restore = commands.add(
        "restore",
        "put a backup in place of the state directory",
        "Puts the state of a backup into STATE_DIR. The daemon must be stopped; what is there now is moved into a "
        "folder beside it. Messages that waited for the broker are not restored: they would be out of date.",
        examples=["camdetect restore camdetect.tar.gz"],
        status="0 restored; 1 it is not a backup, or comes from a newer camdetect; 2 a daemon runs",
    )
    restore.add_argument("file", metavar="FILE", help="archive written by `camdetect backup`")
    completion = commands.add(
        "completion",
        "print a shell completion script",
        "Prints a script that lets the shell complete camdetect's commands and options.",
        examples=[
            "source <(camdetect completion bash)                                    # in ~/.bashrc",
            "camdetect completion zsh > ~/.zfunc/_camdetect                         # a folder of fpath",
            "camdetect completion fish > ~/.config/fish/completions/camdetect.fish",
        ],
    )
    completion.add_argument("shell", choices=SHELL_WORDS, help="the shell")


def _add_simulate(commands: _Commands) -> None:
    simulate = commands.add("simulate", "run simulated cameras", _SIMULATE)
    simulate.epilog = _SIMULATE_EPILOG
    add = simulate.add_argument
    add("--count", type=int, default=1, metavar="N", help="number of cameras, 1 to 1000 (default 1)")
    add("--bind", nargs="+", default=["127.0.0.1"], metavar="ADDRESS", help="where they live (default 127.0.0.1)")
    add("--auth", choices=AUTH_WORDS, default="none", help="how they want to be logged in to (default none)")
    add("--login-file", default="", metavar="FILE", help="file with name:password in its first line")
    add("--quirk", action="append", default=[], metavar="NAME[=VALUE]", help="a fault of theirs; see below")
    add("--http-port", type=int, default=8000, metavar="PORT", help="of ONVIF; 0 for any (default 8000)")
    add("--rtsp-port", type=int, default=8554, metavar="PORT", help="of RTSP; 0 for any (default 8554)")
    add("--vendor", action="append", default=[], metavar="NAME", help="a manufacturer's search that they answer")
    add("--no-onvif", dest="onvif", action="store_false", help="neither ONVIF nor WS-Discovery, RTSP alone")
    add("--mac", default="", help="MAC in the first one's scopes (default: the interface's, else made up)")
    add("--seed", default="1", metavar="TEXT", help="another seed gives other serial numbers and references")
