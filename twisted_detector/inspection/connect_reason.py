"""Words for a TCP connection that was not made, whatever Twisted wraps around what the kernel said."""

from __future__ import annotations

import os
from errno import ECONNABORTED, ECONNREFUSED, ECONNRESET, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH

from twisted.internet.error import ConnectError, DNSLookupError
from twisted.python.failure import Failure

_WORDS = {
    ECONNREFUSED: "the port is closed",
    EHOSTUNREACH: "no route to the address",
    ENETUNREACH: "no route to the network",
    EHOSTDOWN: "no route to the address",
    ECONNRESET: "it was reset",
    ECONNABORTED: "it was reset",
}


def connect_reason(error: Exception) -> str:
    """Why there is no connection, in words; the kernel's own where there are none of ours."""
    if isinstance(error, DNSLookupError):
        return "its name is not known"
    number = getattr(error, "osError", None)
    if isinstance(number, int):
        return _WORDS.get(number) or os.strerror(number)
    if not isinstance(error, ConnectError) or any(isinstance(one, Failure) for one in error.args):
        return "it was closed at once"  # the device, or somebody between, took it and hung up
    return str(error)
