"""Order in which the logins that are for a device are tried, and how many of them may be; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from twisted_detector.inspection.logins.history import LoginHistory
from twisted_detector.model import Login


def rank(
    logins: Sequence[tuple[Login, str]],
    histories: Sequence[LoginHistory],
    *,
    typed: Collection[Login],
    room: int,
    reserved: int,
) -> tuple[Login, ...]:
    """Those that may be tried, best first: what a person typed for the device, what worked there last, what it never
    refused, what it ever accepted; else in their order.

    :param logins: those that are not barred, each with its credential.
    :param room: failures that are left; ``reserved``: how many of these are for what a person types.
    """
    good = {history.last_accepted for history in histories}
    refused = {one for history in histories for one in history.failures if one not in history.forgiven}
    right = {one for history in histories for one in history.ever_accepted}

    def order(one: tuple[Login, str]) -> tuple[bool, ...]:
        login, credential = one
        bad = credential in refused
        return bad or login not in typed, credential not in good, bad, credential not in right

    chosen: list[Login] = []
    for login, credential in sorted(logins, key=order):
        free = room if login in typed or credential in good else room - reserved
        if len(chosen) < free:
            chosen.append(login)
    return tuple(chosen)
