"""Stand-in for systemd's ``systemctl`` on a machine whose first process is another: one unit, under its own limits.

    systemctl daemon-reload | enable [--now] | start | stop | restart | reload | status   UNIT

What a directive of the unit means is in ``HELD``; what it cannot hold is in ``NOT_HELD``, with the reason. A directive
that is in neither is a fault: nobody has thought about it.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: systemd takes one of 61184 to 65519 for DynamicUser=
USER = "61234"
RUN = Path("/run/stand-ins")
UNITS = Path("/etc/systemd/system")
#: Seconds to be ready in (systemd: 90), and to end in.
READY, ENDED = 60, 15

Unit = dict[str, list[str]]


def _mounts(text: str) -> Callable[[Unit], list[str]]:
    return lambda unit: text.split("\n")


def _state(unit: Unit) -> list[str]:
    # as DynamicUser= has it: the directory itself is where nobody else gets, and a link leads to it
    (name,) = unit["StateDirectory"]
    (mode,) = unit["StateDirectoryMode"]
    real = f"/var/lib/private/{name}"
    return [
        f"mkdir -p /var/lib/private {real}; chmod 700 /var/lib/private; chmod {mode} {real}",
        f"ln -sfn private/{name} /var/lib/{name}",
        # systemd gives all of it to the user when the directory itself is not his, and only then
        f'[ "$(stat -c %u {real})" = {USER} ] || chown -R {USER}:{USER} {real}',
        # in the service's view there is nothing but it
        f"mkdir -p {RUN}/state; mount --bind {real} {RUN}/state",
        "mount -t tmpfs -o mode=755 none /var/lib/private",
        f"mkdir {real}; mount --bind {RUN}/state {real}",
    ]


#: Lines of shell, run as root in a mount namespace of the service, in this order.
HELD: dict[str, Callable[[Unit], list[str]]] = {
    "StateDirectory": _state,
    "ProtectHome": _mounts("for one in /home /root; do mount -t tmpfs -o mode=000,ro none $one; done"),
    "PrivateTmp": _mounts("mount -t tmpfs -o mode=1777 none /tmp\nmount -t tmpfs -o mode=1777 none /var/tmp"),
    "ProtectProc": _mounts("mount -t proc -o hidepid=invisible proc /proc"),
    "ProtectKernelTunables": _mounts(
        "mount --bind /proc/sys /proc/sys\nmount -o remount,bind,ro /proc/sys\nmount -o remount,bind,ro /sys"
    ),
    "PrivateDevices": _mounts(
        "mkdir -p /tmp/dev\nmount -t tmpfs -o mode=755 none /tmp/dev\n"
        "for one in null zero full random urandom tty\n"
        "do touch /tmp/dev/$one; mount --bind /dev/$one /tmp/dev/$one; done\n"
        "mount --rbind /tmp/dev /dev\numount -l /tmp/dev\nrmdir /tmp/dev"
    ),
    "ProtectSystem": _mounts("mount -o remount,bind,ro /\nmount -o remount,bind,ro /run"),
}
#: What is used below, or says how the manager treats the unit.
USED = frozenset(
    [
        "Type",
        "NotifyAccess",
        "ExecStart",
        "ExecReload",
        "EnvironmentFile",
        "Environment",
        "DynamicUser",
        "StateDirectoryMode",
        "UMask",
        "AmbientCapabilities",
        "CapabilityBoundingSet",
        "NoNewPrivileges",
        "LimitNOFILE",
        "LimitCORE",
        "TimeoutStopSec",
        "WatchdogSec",
        "Restart",
        "RestartSec",
        "RestartPreventExitStatus",
        "Description",
        "Documentation",
        "After",
        "Wants",
        "WantedBy",
    ]
)
_SECCOMP = "a filter of system calls, which only systemd writes"
NOT_HELD = {
    "RestrictAddressFamilies": _SECCOMP,
    "RestrictNamespaces": _SECCOMP,
    "RestrictRealtime": _SECCOMP,
    "RestrictSUIDSGID": _SECCOMP,
    "LockPersonality": _SECCOMP,
    "SystemCallArchitectures": _SECCOMP,
    "SystemCallFilter": _SECCOMP,
    "SystemCallErrorNumber": _SECCOMP,
    "ProtectClock": "the user has no capability for it",
    "ProtectHostname": "the user has no capability for it",
    "ProtectKernelLogs": "the user has no capability for it",
    "ProtectKernelModules": "the user has no capability for it",
    "ProtectControlGroups": "/sys is read-only altogether",
    "ProcSubset": "all is the default",
    "RemoveIPC": "it uses none",
    "MemoryMax": "a control group, which the test may not have",
}


def read(path: Path) -> Unit:
    """The directives of a unit, each with its values."""
    unit: Unit = {}
    for line in path.read_text("utf-8").splitlines():
        if line.strip() and line[0] not in "#;[":
            name, _, value = line.partition("=")
            unit.setdefault(name, []).append(value)
    unknown = set(unit) - set(HELD) - USED - set(NOT_HELD)
    if unknown:
        sys.exit(f"{path}: the stand-in does not know {', '.join(sorted(unknown))}")
    return unit


def environment(unit: Unit) -> dict[str, str]:
    """What the service is given, and nothing else."""
    given = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    given |= {"NOTIFY_SOCKET": str(RUN / "notify"), "USER": "camdetect", "STATE_DIRECTORY": "/var/lib/camdetect"}
    for line in unit.get("Environment", []):
        given |= dict(word.partition("=")[::2] for word in shlex.split(line))
    for name in unit.get("EnvironmentFile", []):
        file = Path(name.removeprefix("-"))
        if file.exists():
            lines = (line for line in file.read_text("utf-8").splitlines() if line and line[0] not in "#;")
            given |= {
                key: shlex.split(value)[0] if value else "" for key, _, value in (one.partition("=") for one in lines)
            }
        elif not name.startswith("-"):
            sys.exit(f"{name}: no such file")
    return given


def limited(unit: Unit, what: str) -> list[str]:
    """A command line under all that the unit says."""
    (capability,) = unit["CapabilityBoundingSet"]
    if capability != unit["AmbientCapabilities"][0]:
        sys.exit("the stand-in gives all of the bounding set")
    word = "+" + capability.lower().removeprefix("cap_")
    seconds = str(int(unit["WatchdogSec"][0]) * 1_000_000)
    given = [f"{name}={value}" for name, value in (environment(unit) | {"WATCHDOG_USEC": seconds}).items()]
    last = [
        *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"),
        *(f"--bounding-set=-all,{word}", f"--inh-caps=-all,{word}", f"--ambient-caps=-all,{word}"),
        *("prlimit", f"--nofile={unit['LimitNOFILE'][0]}", f"--core={unit['LimitCORE'][0]}"),
        *("env", "--ignore-environment", *given, *shlex.split(what)),
    ]
    lines = [line for name, make in HELD.items() if name in unit for line in make(unit)]
    script = "\n".join(["set -e", "cd /", *lines, f"umask {unit['UMask'][0]}", f"exec {shlex.join(last)}"])
    return ["unshare", "--mount", "--propagation=private", "bash", "-c", script]


def main_pid() -> int:
    """0 while it does not run."""
    try:
        return int((RUN / "pid").read_text("ascii"))
    except FileNotFoundError:
        return 0


def start(unit: Unit) -> None:
    if main_pid():
        return
    RUN.mkdir(parents=True, exist_ok=True)
    (RUN / "notify").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(RUN / "notify"))
        (RUN / "notify").chmod(0o666)
        (RUN / "line").unlink(missing_ok=True)
        line.settimeout(0.2)
        if not os.fork():
            supervise(unit)
        deadline = time.monotonic() + READY
        while time.monotonic() < deadline:
            try:
                if b"READY=1" in line.recv(4096).splitlines():
                    return
            except TimeoutError:
                if (RUN / "status").exists():
                    break
        sys.exit(f"Job for camdetect.service failed.\n{(RUN / 'log').read_text('utf-8', 'replace')}")


def supervise(unit: Unit) -> None:
    """The parent of the service, in a process of its own: it alone is told how it ends."""
    os.setsid()
    (RUN / "status").unlink(missing_ok=True)
    with (RUN / "log").open("ab") as log:
        service = subprocess.Popen(
            limited(unit, unit["ExecStart"][0]), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 2)
        (RUN / "pid").write_text(str(service.pid))
        status = service.wait()
    (RUN / "pid").unlink()
    (RUN / "status").write_text(str(status))
    os._exit(0)


def stop() -> None:
    pid = main_pid()
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + ENDED
    while main_pid():
        if time.monotonic() > deadline:
            sys.exit("it does not end")
        time.sleep(0.05)
    status = (RUN / "status").read_text("ascii")
    if status != "0":
        sys.exit(f"camdetect.service ended with status {status}\n{(RUN / 'log').read_text('utf-8', 'replace')}")


def main(words: list[str]) -> None:
    options, (verb, *names) = [one for one in words if one[0] == "-"], [one for one in words if one[0] != "-"]
    if verb == "daemon-reload":
        return
    if set(options) - {"--now", "--no-pager"} or len(names) != 1:
        sys.exit(f"the stand-in does not know {' '.join(words)}")
    path = UNITS / (names[0] if names[0].endswith(".service") else f"{names[0]}.service")
    if not path.exists():
        sys.exit(f"Unit {path.name} not found.")
    unit = read(path)
    if verb == "enable":
        done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True)
        if done.returncode or done.stderr:
            sys.exit(f"systemd-analyze verify: {done.stderr}")
    if verb in ("stop", "restart"):
        stop()
    if verb in ("start", "restart") or (verb == "enable" and "--now" in options):
        start(unit)
    elif verb == "reload":
        sys.exit(subprocess.run(limited(unit, unit["ExecReload"][0])).returncode)
    elif verb == "status":
        pid = main_pid()
        print((RUN / "log").read_text("utf-8", "replace"))
        print("active (running)" if pid else "inactive (dead)")
        if pid:
            print(
                *re.findall(
                    r"^(?:Uid|CapEff|CapBnd|NoNewPrivs).*$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE
                )
            )
        sys.exit(0 if pid else 3)
    elif verb not in ("enable", "stop", "start", "restart"):
        sys.exit(f"the stand-in does not know {verb}")


if __name__ == "__main__":
    main(sys.argv[1:])
