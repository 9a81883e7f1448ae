"""The command line: its grammar, and the start of the subcommand that was chosen.

Only this module, ``camdetect.tac`` and the twistd plugin take the reactor and the environment from where they are
global. What a subcommand needs is imported when it is chosen, so that ``--help`` is quick and a missing part hurts only
those who use it.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from twisted_detector import __version__

_DESCRIPTION = """\
Finds the IP cameras on your networks, knows each one for ever, and tells the truth about them over MQTT."""

_EPILOG = """\
The daemon is configured by environment variables or a TOML file; docs/configuration.md lists them.
Exit status: 0 all well, 1 it could not be done, 2 wrong arguments or configuration.

  camdetect run                                  the daemon, in the foreground
  camdetect scan                                 one sweep now, and what it found
  camdetect list --watch                         the cameras that it knows, as they come and go
  camdetect show front-door                      all about one of them
  camdetect status                               how the daemon is
  camdetect adopt front-door                     let it be given the logins that are for any camera
  camdetect login retry front-door               try a login again that it refused
  camdetect why 192.168.1.20                     why that one is not among them
  camdetect doctor                               what is wrong with it or its machine
  camdetect simulate --count 3 --bind 127.0.0.1  three cameras to try it with
"""

_SIMULATE = """\
Runs cameras that answer WS-Discovery, ONVIF and RTSP with a moving H.264 picture (640x360 and 320x180, 15 frames per
second), until Ctrl-C or SIGTERM.

Cameras are spread over the addresses in turn. More cameras than addresses share an address and take the next ports up.
On Linux all of 127.0.0.0/8 is there to be used: --bind 127.0.0.1 127.0.0.2 127.0.0.3"""

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

#: Words for export: those of ``operations.export.FORMATS``, which is not imported here to keep --help quick.
EXPORT_WORDS = ("frigate", "go2rtc", "json", "csv")


def build_parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("camdetect", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"camdetect {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Callable[..., int], *, json: str = "", **texts: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, **texts)
        added.set_defaults(command=run)
        if json:
            added.add_argument("--json", action="store_true", help=json)
        return added

    command(
        "run",
        _run,
        help="run the daemon in the foreground",
        description="Runs the daemon until SIGTERM or Ctrl-C, like `twistd -n -y camdetect.tac`. "
        "It is configured by environment variables; docs/configuration.md lists them.",
    )

    listing = command(
        "list",
        _list,
        json="everything that is kept, as JSON",
        help="list the cameras that are known",
        description="Lists the cameras that the daemon knows, or knew when it stopped: the running daemon of STATE_DIR "
        "is asked, and when there is none, the directory is read.",
    )
    listing.add_argument("--watch", action="store_true", help="follow the running daemon, until Ctrl-C")

    show = command(
        "show",
        _show,
        json="everything that is kept, as JSON",
        help="all that is known of one camera",
        description="Shows a camera with its streams, addresses and evidence. Asks the running daemon of STATE_DIR, or "
        "reads the directory when there is none.",
    )
    show.add_argument("camera", metavar="ID", help="its id, MAC, address or name")

    status = command(
        "status",
        _status,
        json="the health document, as JSON",
        help="how the running daemon is",
        description="Shows connection, queue, sweeps, cameras and costs of the running daemon of STATE_DIR. The exit "
        "status is 1 when none answers.",
    )
    status.add_argument("--quiet", action="store_true", help="the exit status alone, for a health check")

    command(
        "scan",
        _scan,
        json="everything that is kept, as JSON",
        help="one sweep now, without a broker",
        description="Looks once with every method, asks whoever is found, and lists all cameras. Where the daemon of "
        "STATE_DIR runs, it sweeps; else it is done here, and what is learnt is kept in STATE_DIR.",
    )

    why = command(
        "why",
        _why,
        json="the same as JSON",
        help="why an address is not shown as a camera",
        description="Tells what the running daemon saw of an address, by which method and when, what it asked and what "
        "came back; looks once more (ARP, and a connection to each usual port) and names the likely reason.",
    )
    why.add_argument("address", metavar="ADDRESS", help="an IP address")

    command(
        "doctor",
        _doctor,
        json="the same as JSON",
        help="check the daemon and this machine",
        description="Checks interfaces and multicast, containers, the kernel's neighbour table, limits, capabilities, "
        "MQTT, the store, cameras and their clocks. Exit status 1 when something fails.",
    )

    adopt = command(
        "adopt",
        _adopt,
        help="let cameras be given logins",
        description="Adopts cameras: from now on the running daemon may give them the logins that are for any camera, "
        "and writes these for Frigate and go2rtc. Look at them first: whoever is adopted is told a password.",
    )
    adopt.add_argument("cameras", nargs="*", metavar="ID", help="its id, MAC, address or name")
    adopt.add_argument("--all", action="store_true", help="every camera that is not adopted")
    for name, run, what in (
        ("check", _check, "ask cameras again now"),
        ("unadopt", _unadopt, "give cameras no login any more"),
        ("block", _block, "forget cameras, ask them nothing, never show them again"),
    ):
        texts = f"Tells the running daemon to {what}, whatever their addresses."
        command(name, run, help=what, description=texts).add_argument(
            "cameras", nargs="+", metavar="ID", help="its id, MAC, address or name"
        )
    command(
        "unblock",
        _unblock,
        help="take blocked devices in again",
        description="Unblocks devices; without any, lists those that are blocked.",
    ).add_argument("devices", nargs="*", metavar="ID", help="the id that it had, its MAC or its EndpointReference")

    login = command(
        "login",
        _login,
        help="try logins again that a camera refused",
        description="`camdetect login retry ID` has the running daemon try all logins again that this camera refused, "
        "as soon as two failures in 30 minutes leave room. One that was right once is tried once a day by itself.",
    )
    login.add_argument("action", choices=("retry",), help="what to do")
    login.add_argument("camera", metavar="ID", help="its id, MAC, address or name")

    export = command(
        "export",
        _export,
        help="the cameras as a configuration for Frigate or go2rtc, as JSON or CSV",
        description="Writes the cameras that the daemon knows, or knew when it stopped, for another program. "
        "Logins are never written: variables stand for them (FRIGATE_ENV_PATH, GO2RTC_ENV_PATH).",
    )
    export.add_argument("format", choices=EXPORT_WORDS, metavar="|".join(EXPORT_WORDS), help="for whom")
    export.add_argument("--diff", action="store_true", help="frigate: what the running daemon would change there")

    simulate = command(
        "simulate",
        _simulate,
        help="run simulated cameras",
        description=_SIMULATE,
        epilog=_SIMULATE_EPILOG,
        formatter_class=raw,
    )
    add = simulate.add_argument
    add("--count", type=int, default=1, metavar="N", help="number of cameras, 1 to 1000 (default 1)")
    add("--bind", nargs="+", default=["127.0.0.1"], metavar="ADDRESS", help="where they live (default 127.0.0.1)")
    add("--auth", choices=AUTH_WORDS, default="none", help="how they want to be logged in to (default none)")
    add("--login-file", default="", metavar="FILE", help="file with name:password in its first line")
    add("--quirk", action="append", default=[], metavar="NAME[=VALUE]", help="a fault of theirs; see below")
    add("--http-port", type=int, default=8000, metavar="PORT", help="of ONVIF; 0 for any (default 8000)")
    add("--rtsp-port", type=int, default=8554, metavar="PORT", help="of RTSP; 0 for any (default 8554)")
    add("--no-onvif", dest="onvif", action="store_false", help="neither ONVIF nor WS-Discovery, RTSP alone")
    add("--mac", default="", help="MAC in the first one's scopes (default: the interface's, else made up)")
    add("--seed", default="1", metavar="TEXT", help="another seed gives other serial numbers and references")
    return parser


def _config() -> Any:
    """The Config of the environment, or one message and exit status 2."""
    from socket import gethostname

    from twisted_detector.config.load import config_or_exit
    from twisted_detector.service.process_hardening import forbid_inspection

    forbid_inspection()  # before the first password is read
    return config_or_exit(os.environ, hostname=gethostname(), stderr=sys.stderr)


def _run(arguments: argparse.Namespace) -> int:
    gc.disable()  # until the daemon has started; why: camdetect.tac

    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    config = _config()

    from twisted_detector.service.daemon import makeService  # heavy; faults of the configuration are reported before
    from twisted_detector.service.monotonic_reactor import monotonic_reactor

    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stdout)], redirectStandardIO=False)
    service = makeService(config, monotonic_reactor(reactor))
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    status: int = getattr(service, "exit_status", 0)
    return status


def _list(arguments: argparse.Namespace) -> int:
    directory = _config().state_dir
    if arguments.watch:
        from twisted_detector.cli.list import watch

        return watch(directory, out=sys.stdout, err=sys.stderr)
    from twisted.internet import reactor

    from twisted_detector.cli.list import list_cameras

    return list_cameras(reactor, directory, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _show(arguments: argparse.Namespace) -> int:
    directory = _config().state_dir
    from twisted.internet import reactor

    from twisted_detector.cli.show import show

    return show(reactor, directory, arguments.camera, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _status(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.status import status

    return status(_config().state_dir, use_json=arguments.json, quiet=arguments.quiet, out=sys.stdout, err=sys.stderr)


def _scan(arguments: argparse.Namespace) -> int:
    config = _config()
    from twisted.internet import reactor

    from twisted_detector.cli.scan import scan_now

    return scan_now(reactor, config, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _why(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.diagnosis import why

    return why(_config().state_dir, arguments.address, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _doctor(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.diagnosis import doctor

    return doctor(_config(), use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _adopt(arguments: argparse.Namespace) -> int:
    if bool(arguments.cameras) == arguments.all:
        sys.stderr.write("camdetect adopt: name cameras, or all of them with --all\n")
        return 2
    directory = _config().state_dir
    from twisted_detector.cli.adoption import adopt_all, decide

    if arguments.all:
        return adopt_all(directory, out=sys.stdout, err=sys.stderr)
    return decide("adopt", directory, arguments.cameras, out=sys.stdout, err=sys.stderr)


def _check(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.adoption import decide

    return decide("check", _config().state_dir, arguments.cameras, out=sys.stdout, err=sys.stderr)


def _unadopt(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.adoption import decide

    return decide("unadopt", _config().state_dir, arguments.cameras, out=sys.stdout, err=sys.stderr)


def _block(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.adoption import decide

    return decide("block", _config().state_dir, arguments.cameras, out=sys.stdout, err=sys.stderr)


def _unblock(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.adoption import unblock

    return unblock(_config().state_dir, arguments.devices, out=sys.stdout, err=sys.stderr)


def _login(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.login import retry

    return retry(_config().state_dir, arguments.camera, out=sys.stdout, err=sys.stderr)


def _export(arguments: argparse.Namespace) -> int:
    config = _config()
    from twisted.internet import reactor

    from twisted_detector.cli.export import export

    return export(reactor, config, arguments.format, diff=arguments.diff, out=sys.stdout, err=sys.stderr)


def _simulate(arguments: argparse.Namespace) -> int:
    from twisted.internet import reactor

    from twisted_detector.testing.simulator.command import simulate

    return simulate(arguments, os.environ, reactor, out=sys.stdout, err=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that ``argv`` (without the program's name) names; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    status: int = arguments.command(arguments)
    return status
