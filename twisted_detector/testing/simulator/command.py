"""``camdetect simulate``: a fleet of simulated cameras until a signal ends it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.python.failure import Failure

from twisted_detector.errors import ConfigError, LocalError, RemoteError
from twisted_detector.model import Login, Mac, Secret
from twisted_detector.testing.simulator.camera import MADE_UP_LOGIN, Auth, CameraSpec, parse_quirks
from twisted_detector.testing.simulator.fleet import Fleet, lay_out
from twisted_detector.testing.simulator.mac import mac_of_address
from twisted_detector.testing.simulator.vendors.catalog import DEVICES

#: The variable with the login: a command line can be read by everybody on the machine, the environment cannot.
LOGIN_VARIABLE = "SIMULATOR_LOGIN"


def read_login(environ: Mapping[str, str], path: str) -> Login:
    """The cameras' login: from the first line of the file, else from the environment, else a made-up one.

    :raises ConfigError: the file cannot be read, or what it says is not ``name:password``.
    """
    text, source = environ.get(LOGIN_VARIABLE, ""), LOGIN_VARIABLE
    if path:
        source = "--login-file"
        try:
            lines = Path(path).read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError((f"--login-file {path}: cannot be read ({type(error).__name__})",)) from None
        text = lines[0] if lines else ""
    elif not text:
        return MADE_UP_LOGIN
    name, colon, password = text.strip().partition(":")
    if not (name and colon and password):
        raise ConfigError((f"{source}: must be name:password",))
    return Login(name, Secret(password))


def specs_of(
    arguments: Namespace, login: Login, *, mac_of: Callable[[str], Mac | None] = mac_of_address
) -> tuple[CameraSpec, ...]:
    """The cameras that the arguments describe.

    :raises ConfigError: with every fault.
    """
    faults: list[str] = []
    quirks = None
    mac = None
    for address in arguments.bind:
        try:
            if ip_address(address).is_multicast:
                faults.append(f"--bind {address}: a group is no camera's address")
        except ValueError:
            faults.append(f"--bind {address}: must be an IP address of this machine")
    try:
        quirks = parse_quirks(arguments.quirk)
    except ConfigError as error:
        faults += error.faults
    try:
        mac = Mac.parse(arguments.mac) if arguments.mac else None
    except RemoteError:
        faults.append(f"--mac {arguments.mac}: must be a MAC address")
    faults += [
        f"--vendor {name}: no such protocol; known are {', '.join(sorted(DEVICES))}"
        for name in arguments.vendor
        if name not in DEVICES
    ]
    if arguments.vendor and any(":" in address for address in arguments.bind):
        faults.append("--vendor: manufacturers' protocols are spoken by IPv4 only")
    for option in ("http_port", "rtsp_port"):
        if not 0 <= getattr(arguments, option) <= 65_535:
            faults.append(f"--{option.replace('_', '-')} {getattr(arguments, option)}: must be 0 to 65535")
    if faults or quirks is None:
        raise ConfigError(tuple(faults))
    model = CameraSpec(
        arguments.bind[0],
        seed=arguments.seed,
        mac=mac,
        http_port=arguments.http_port,
        rtsp_port=arguments.rtsp_port,
        onvif=arguments.onvif,
        vendors=tuple(dict.fromkeys(arguments.vendor)),
        auth=Auth(arguments.auth),
        login=login,
        quirks=quirks,
    )
    try:
        return lay_out(arguments.count, arguments.bind, model=model, mac_of=mac_of)
    except LocalError as error:
        raise ConfigError((str(error),)) from None


def lines_of(fleet: Fleet) -> list[str]:
    """One line for each camera of a running fleet: name, MAC, URLs and size of the picture."""
    lines = []
    for camera in fleet.cameras:
        spec = camera.spec
        main = spec.streams[0]
        service = f"{spec.service_url('device')}  " if spec.onvif else ""
        size = f"H264 {main.clip.width}x{main.clip.height} {main.clip.fps:g} fps"
        lines.append(f"{spec.name}  {spec.hardware_address}  {service}{spec.stream_url(main)}  {size}")
    return lines


def simulate(arguments: Namespace, environ: Mapping[str, str], reactor: Any, *, out: TextIO, err: TextIO) -> int:
    """Run the fleet until a signal ends it.

    :returns: exit status: 0 after a signal, 1 when it could not start, 2 for wrong arguments.
    """
    try:
        login = read_login(environ, arguments.login_file)
        specs = specs_of(arguments, login)
    except ConfigError as error:
        err.write(f"camdetect simulate: {error}\n")
        return 2
    only_warnings = LogLevelFilterPredicate(defaultLogLevel=LogLevel.warn)
    globalLogBeginner.beginLoggingTo(
        [FilteringLogObserver(textFileLogObserver(sys.stderr), [only_warnings])], redirectStandardIO=False
    )
    fleet = Fleet(reactor, specs)
    status = 0

    def started(_: None) -> None:
        what = "camera" if len(specs) == 1 else "cameras"
        summary = f"{len(specs)} simulated {what}, authentication {specs[0].auth}"
        if specs[0].auth is not Auth.NONE:
            # A login that was given is a secret; the made-up one is of use only when it is known.
            summary += (
                f", login {login.name}:{login.password.reveal()}" if login is MADE_UP_LOGIN else f", user {login.name}"
            )
        out.write("\n".join([summary, *lines_of(fleet), "Ctrl-C ends it.", ""]))
        out.flush()

    def failed(failure: Failure) -> None:
        nonlocal status
        failure.trap(CannotListenError, OSError, LocalError)
        status = 1
        err.write(f"camdetect simulate: {failure.getErrorMessage()}\n")
        reactor.stop()

    def start() -> None:
        Deferred.fromCoroutine(fleet.start()).addCallbacks(started, failed)

    reactor.callWhenRunning(start)
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(fleet.stop()))
    reactor.run()
    return status
