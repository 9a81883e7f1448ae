"""The command line: start of the subcommand that was chosen.

Only this module, ``camdetect.tac`` and the twistd plugin take the reactor and the environment from where they are
global. What a subcommand needs is imported when it is chosen, so that ``--help`` is quick and a missing part hurts only
those who use it.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from twisted_detector.cli.grammar import build_parser


def _config() -> Any:
    """The Config of the environment, or one message and exit status 2."""
    from socket import gethostname

    from twisted_detector.config.load import config_or_exit
    from twisted_detector.service.process_hardening import forbid_inspection

    forbid_inspection()  # before the first password is read
    return config_or_exit(os.environ, hostname=gethostname(), stderr=sys.stderr)


def _asking(*, quiet: bool = False) -> Any:
    """The Config with STATE_DIR of the daemon to ask, which is looked for where STATE_DIR is not given."""
    config = _config()
    from twisted_detector.cli.asking import located
    from twisted_detector.errors import CamdetectError

    try:
        return located(config)
    except CamdetectError as error:
        if not quiet:
            sys.stderr.write(f"camdetect: {error}\n")
        raise SystemExit(1) from None


def _run(arguments: argparse.Namespace) -> int:
    gc.disable()  # until the daemon has started; why: camdetect.tac

    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner

    config = _config()

    from functools import partial
    from socket import gethostname

    from txaio.tx import get_global_log_level

    from twisted_detector.config.load import load
    from twisted_detector.service.daemon import makeService  # heavy; faults of the configuration are reported before
    from twisted_detector.service.log_lines import log_observer
    from twisted_detector.service.monotonic_reactor import monotonic_reactor

    observer = log_observer(sys.stdout, level=get_global_log_level, environment=os.environ)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    load_again = partial(load, os.environ, hostname=gethostname())
    service = makeService(config, monotonic_reactor(reactor), load_again)
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    status: int = getattr(service, "exit_status", 0)
    return status


def _eye(arguments: argparse.Namespace) -> int:
    gc.disable()
    from twisted_detector.cli.eye.command import run_eye, settings_of, without_pyopenssl, write_key

    if arguments.new_key is not None:
        return write_key(arguments.new_key, arguments.name, out=sys.stdout, err=sys.stderr)
    without_pyopenssl()
    from twisted.internet import reactor

    environ = settings_of(os.environ, arguments.broker, arguments.key_file)
    return run_eye(reactor, environ, out=sys.stdout, err=sys.stderr)


def _list(arguments: argparse.Namespace) -> int:
    directory = _asking().state_dir
    if arguments.fleet:
        from twisted_detector.cli.fleet import list_fleet

        return list_fleet(directory, use_json=arguments.json, out=sys.stdout, err=sys.stderr)
    if arguments.watch:
        from twisted_detector.cli.list import watch

        return watch(directory, out=sys.stdout, err=sys.stderr)
    from twisted.internet import reactor

    from twisted_detector.cli.list import list_cameras

    return list_cameras(reactor, directory, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _show(arguments: argparse.Namespace) -> int:
    directory = _asking().state_dir
    from twisted.internet import reactor

    from twisted_detector.cli.show import show

    return show(reactor, directory, arguments.camera, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _status(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.status import status

    directory = _asking(quiet=arguments.quiet).state_dir
    if arguments.fleet:
        from twisted_detector.cli.fleet import fleet_status

        return fleet_status(directory, use_json=arguments.json, out=sys.stdout, err=sys.stderr)
    return status(directory, use_json=arguments.json, quiet=arguments.quiet, out=sys.stdout, err=sys.stderr)


def _page(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.page import show_page

    return show_page(_asking().state_dir, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _scan(arguments: argparse.Namespace) -> int:
    config = _asking()
    from twisted.internet import reactor

    from twisted_detector.cli.scan import scan_now

    return scan_now(reactor, config, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _why(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.diagnosis import why

    return why(_asking().state_dir, arguments.address, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _doctor(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.diagnosis import doctor

    return doctor(_asking(), use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _adopt(arguments: argparse.Namespace) -> int:
    if bool(arguments.cameras) == arguments.all:
        sys.stderr.write("camdetect adopt: name cameras, or all of them with --all\n")
        return 2
    directory = _asking().state_dir
    from twisted_detector.cli.decisions.adoption import adopt_all, decide

    if arguments.all:
        return adopt_all(directory, out=sys.stdout, err=sys.stderr)
    return decide("adopt", directory, arguments.cameras, out=sys.stdout, err=sys.stderr)


def _decide(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.decisions.adoption import decide

    return decide(arguments.command, _asking().state_dir, arguments.cameras, out=sys.stdout, err=sys.stderr)


def _unblock(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.decisions.adoption import unblock

    return unblock(_asking().state_dir, arguments.devices, out=sys.stdout, err=sys.stderr)


def _login(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.decisions.login import login

    return login(_asking().state_dir, arguments, stdin=sys.stdin, out=sys.stdout, err=sys.stderr)


def _export(arguments: argparse.Namespace) -> int:
    config = _asking()
    from twisted.internet import reactor

    from twisted_detector.cli.export import export

    return export(
        reactor,
        config,
        arguments.format,
        consumer=arguments.consumer,
        diff=arguments.diff,
        out=sys.stdout,
        err=sys.stderr,
    )


def _simulate(arguments: argparse.Namespace) -> int:
    from twisted.internet import reactor

    from twisted_detector.testing.simulator.command import simulate

    return simulate(arguments, os.environ, reactor, out=sys.stdout, err=sys.stderr)


def _rescan(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.scan import rescan

    return rescan(_asking().state_dir, out=sys.stdout, err=sys.stderr)


def _name(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.name import name_camera

    given = {word: getattr(arguments, word) for word in ("name", "area", "note", "network")}
    given = {word: text for word, text in given.items() if text is not None}
    return name_camera(_asking().state_dir, arguments.camera, given, out=sys.stdout, err=sys.stderr)


def _forget(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.decisions.forget import criteria, forget, forget_all

    wanted = criteria(arguments)
    if bool(arguments.cameras) == bool(wanted) or (arguments.cameras and arguments.dry_run):
        sys.stderr.write("camdetect forget: name cameras, or select them by criteria (camdetect forget -h)\n")
        return 2
    directory = _asking().state_dir
    if wanted:
        return forget_all(directory, wanted, dry_run=arguments.dry_run, out=sys.stdout, err=sys.stderr)
    return forget(directory, arguments.cameras, out=sys.stdout, err=sys.stderr)


def _settings(arguments: argparse.Namespace) -> int:
    if arguments.json and not arguments.show:
        sys.stderr.write("camdetect config: --json is for --show\n")
        return 2
    if arguments.example:
        from twisted_detector.config.example_file import example

        sys.stdout.write(example())
        return 0
    if arguments.check:
        from socket import gethostname

        from twisted_detector.cli.config import check

        return check(os.environ, hostname=gethostname(), out=sys.stdout, err=sys.stderr)
    from twisted_detector.cli.config import show_settings

    return show_settings(_config(), use_json=arguments.json, out=sys.stdout)


def _plugins(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.plugins.listing import list_plugins, running_plugins

    config = _config()
    answer = running_plugins(config, sys.stderr)
    return list_plugins(config, answer, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _new_plugin(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.plugins.scaffold import new_plugin

    return new_plugin(
        arguments.name, arguments.kind, folder=arguments.folder, config=_config(), out=sys.stdout, err=sys.stderr
    )


def _backup(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from twisted_detector.cli.backup import backup

    return backup(
        _asking().state_dir,
        Path(arguments.file),
        without_logins=arguments.without_logins,
        out=sys.stdout,
        err=sys.stderr,
    )


def _restore(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from twisted_detector.cli.backup import restore

    return restore(Path(arguments.file), _config().state_dir, out=sys.stdout, err=sys.stderr)


def _completion(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.completion import SCRIPTS

    sys.stdout.write(SCRIPTS[arguments.shell](build_parser()))
    return 0


def _typed(text: str) -> str:
    """An argument, or the line of the standard input for which - stands: other users can read arguments."""
    return sys.stdin.readline().strip() if text == "-" else text


def _add(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.decisions.add import add

    target = _typed(arguments.target)
    return add(_asking().state_dir, target, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _stream(arguments: argparse.Namespace) -> int:
    if arguments.clear and (arguments.main is not None or arguments.sub is not None):
        sys.stderr.write("camdetect stream: give streams, or --clear\n")
        return 2
    given = {name: _typed(text) for name in ("main", "sub") if (text := getattr(arguments, name)) is not None}
    if arguments.clear:
        given = {"main": "", "sub": ""}
    from twisted_detector.cli.decisions.stream import stream

    return stream(_asking().state_dir, arguments.camera, given, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _networks(arguments: argparse.Namespace) -> int:
    if bool(arguments.action) != bool(arguments.networks) or (arguments.action and arguments.json):
        sys.stderr.write("camdetect networks: name networks to add or remove; --json is for the list\n")
        return 2
    from twisted_detector.cli.decisions.networks import change_networks, list_networks

    directory = _asking().state_dir
    if arguments.action:
        return change_networks(directory, arguments.action, arguments.networks, out=sys.stdout, err=sys.stderr)
    return list_networks(directory, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


def _reload(arguments: argparse.Namespace) -> int:
    from twisted_detector.cli.decisions.reload import reload

    return reload(_asking().state_dir, restart=arguments.restart, out=sys.stdout, err=sys.stderr)


def _notices(arguments: argparse.Namespace) -> int:
    if bool(arguments.action) != bool(arguments.way):
        sys.stderr.write("camdetect notices: name the way to test: camdetect notices test WAY\n")
        return 2
    from twisted_detector.cli.notices.command import list_notices, test_way

    directory = _asking().state_dir
    if arguments.action:
        return test_way(directory, arguments.way, out=sys.stdout, err=sys.stderr)
    return list_notices(directory, use_json=arguments.json, out=sys.stdout, err=sys.stderr)


#: Function of each subcommand.
COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = MappingProxyType(
    {
        "run": _run,
        "eye": _eye,
        "status": _status,
        "doctor": _doctor,
        "page": _page,
        "rescan": _rescan,
        "list": _list,
        "show": _show,
        "scan": _scan,
        "why": _why,
        "export": _export,
        "adopt": _adopt,
        "unadopt": _decide,
        "check": _decide,
        "block": _decide,
        "unblock": _unblock,
        "name": _name,
        "add": _add,
        "stream": _stream,
        "forget": _forget,
        "login": _login,
        "networks": _networks,
        "reload": _reload,
        "notices": _notices,
        "config": _settings,
        "plugins": _plugins,
        "new-plugin": _new_plugin,
        "backup": _backup,
        "restore": _restore,
        "completion": _completion,
        "simulate": _simulate,
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the subcommand that ``argv`` (without the program's name) names; returns the exit status."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return 2
    return COMMANDS[arguments.command](arguments)
