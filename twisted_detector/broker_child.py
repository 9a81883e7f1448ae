"""A port and a kind of broker go in; the broker runs in this process, on loopback only, and ends when its parent does.

    python -m twisted_detector.broker_child PARENT_PID PORT mosquitto /usr/sbin/mosquitto
    python -m twisted_detector.broker_child PARENT_PID PORT amqtt

Linux sends this process SIGTERM when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG): so it ends with the
daemon also after ``kill -9``. The setting is cleared when the user id changes, so privileges are given up before.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1

#: For root: the users to become, the first that exists. Nothing that the broker does needs privileges.
_USERS = ("mosquitto", "nobody")

_CONFIGURATION = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
log_dest stderr
log_type error
log_type warning
max_queued_messages 100000
"""


def give_up_privileges() -> None:
    """Become an ordinary user when this is root."""
    if os.geteuid() != 0:
        return
    for name in _USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        return


def die_with(parent: int) -> None:
    """End when the parent ends; at once when it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def run_mosquitto(program: str, port: int) -> None:
    """Become mosquitto. Its configuration is a file without a name: none is left behind, whoever we are now."""
    descriptor = os.memfd_create("mosquitto.conf", 0)
    os.write(descriptor, _CONFIGURATION.format(port=port).encode())
    os.set_inheritable(descriptor, True)
    os.execv(program, [program, "-c", f"/proc/self/fd/{descriptor}"])  # noqa: S606 (no shell is meant)


def run_amqtt(port: int) -> None:
    """Run amqtt until it is told to end."""
    import asyncio

    from amqtt.broker import Broker

    async def serve() -> None:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await broker.start()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        await ended.wait()
        await broker.shutdown()

    asyncio.run(serve())


def main(arguments: list[str]) -> None:
    """Run what the arguments ask for."""
    parent, port, kind, *program = arguments
    give_up_privileges()
    die_with(int(parent))
    if kind == "mosquitto":
        run_mosquitto(program[0], int(port))
    else:
        run_amqtt(int(port))


if __name__ == "__main__":
    main(sys.argv[1:])
