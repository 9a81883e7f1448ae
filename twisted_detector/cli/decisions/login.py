"""``camdetect login``: the running daemon tries a login that a person types, keeps or removes it, or retries its own.

The password comes from the terminal, from a pipe or from a file, never from the command line: others see that.
"""

from __future__ import annotations

import getpass
from argparse import Namespace
from pathlib import Path
from typing import TextIO

from twisted_detector.cli.asking import ask, the_camera
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.errors import LocalError

#: Characters of a password that are read at most: the daemon refuses far shorter ones, at the field.
_MOST = 4096
#: Outcomes with which the exit status is 0.
_DONE = ("accepted", "not-needed")


@subcommand("login")
def login(directory: Path, arguments: Namespace, *, stdin: TextIO, out: TextIO, err: TextIO) -> int:
    """Try, keep or remove a login, as the arguments say."""
    if arguments.camera == "retry" and arguments.user:
        return _retry(directory, arguments.user, out)
    camera = the_camera(directory, arguments.camera)
    if arguments.clear:
        answer = ask(directory, {"command": "login", "action": "clear", "camera_id": camera.id})
        out.write(f"{camera.id}: {answer['text']}\n")
        return 0
    user = arguments.user or _ask_user(stdin)
    request = {
        "command": "login",
        "action": "save" if arguments.save else "try",
        "camera_id": camera.id,
        "user": user,
        "password": _password(user, arguments.password_file, stdin),
        "keep": arguments.keep,
    }
    answer = ask(directory, request)
    if arguments.save:
        out.write(f"{camera.id}: {answer['text']}\n")
        return 0
    out.write(f"{camera.id}: {answer['outcome']}: {answer['text']}\n")
    kept = f"kept for: {answer['kept']}" if answer["kept"] else "not kept"
    out.write(f"{kept}; {answer['left']} of {answer['of']} failed attempts left in 30 minutes\n")
    return 0 if answer["outcome"] in _DONE else 1


def _retry(directory: Path, word: str, out: TextIO) -> int:
    """Try the logins that a camera refused again. :param word: id, MAC, address or name of the camera."""
    camera = the_camera(directory, word)
    answer = ask(directory, {"command": "login", "action": "retry", "camera_id": camera.id})
    logins, waits = ", ".join(answer["logins"]), answer["waits"]
    what = f"trying again: {logins}" if logins else "none of its logins was being withheld"
    out.write(f"{camera.id}: {what}{f', but {waits}' if waits else ''}\n")
    return 0


def _ask_user(stdin: TextIO) -> str:
    if not stdin.isatty():
        raise LocalError("give the user name: camdetect login ID USER")
    return input("User: ").strip()


def _password(user: str, file: str, stdin: TextIO) -> str:
    """The password: the first line of a file, of what is piped in, or what is typed without echo."""
    if file:
        try:
            with Path(file).open(encoding="utf-8") as stream:
                return stream.readline(_MOST).rstrip("\r\n")
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
            raise LocalError(f"{file}: {reason}") from None
    if stdin.isatty():
        return getpass.getpass(f"Password of {user}: ")
    return stdin.readline(_MOST).rstrip("\r\n")
