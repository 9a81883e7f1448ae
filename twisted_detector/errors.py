"""The error tree. The first line of each docstring is a reason that a user may read: in small letters, no full stop."""

from __future__ import annotations

#: Characters of a peer's bytes that an error shows at most.
_MAX_SHOWN = 200


def _as_reason(docstring: str) -> str:
    """The first line of a docstring as all reasons are written, for they stand within sentences."""
    line = docstring.strip().partition("\n")[0].rstrip(" .")
    return line if line[1:2].isupper() else line[:1].lower() + line[1:]


class CamdetectError(Exception):
    """Something went wrong in camdetect."""

    def __init__(self, what: str = "", *, shown: str = "") -> None:
        # A plugin's error may have no docstring, and python -OO leaves none to any.
        self.what = what or _as_reason(self.__doc__ or "") or type(self).__name__
        self.shown = shown[:_MAX_SHOWN]
        super().__init__(f"{self.what}: {self.shown}" if self.shown else self.what)


class LocalError(CamdetectError):
    """A call was wrong: the fault is in this program or in a plugin."""


class RemoteError(CamdetectError):
    """A peer sent bytes that its protocol does not allow."""


class NotSaved(CamdetectError):
    """A decision did not reach the disk, and holds no more than before; its fields were right."""


class ConfigError(CamdetectError):
    """The configuration has faults; all are listed at once.

    :ivar faults: one line for each: name, given value (masked when secret), what is allowed.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("invalid configuration:\n" + "\n".join(f"  {fault}" for fault in faults))


class InspectionError(CamdetectError):
    """An inspection did not come to an end; the subclasses say how to treat the device.

    :ivar code: a stable code for programs (``docs/security.md`` lists them); "" when the class says it all.
    """

    def __init__(self, what: str = "", *, shown: str = "", code: str = "") -> None:
        super().__init__(what, shown=shown)
        self.code = code


class Unreachable(InspectionError):
    """The device does not answer: no connection, a reset, or silence until the time-out."""


class LoginWithheld(Unreachable):
    """No login may be sent to it now: one that was sent is not answered yet, or may have counted as a failure."""


class Unauthorized(InspectionError):
    """The device wants a login that it was not given, or refused the one it was given.

    :ivar attempted: whether a credential was sent (only then is the login budget charged); None: not known, and it
        counts if the password was revealed to the inspector.
    :ivar locked: whether the device answered that it is locked or will lock.
    :ivar unsure: a credential was sent, and may have been refused for another reason than itself (then ``attempted`` is
        False): it counts as a failure, but not as refused.
    """

    def __init__(
        self,
        what: str = "",
        *,
        shown: str = "",
        attempted: bool | None = None,
        locked: bool = False,
        unsure: bool = False,
        code: str = "",
    ) -> None:
        super().__init__(what, shown=shown, code=code)
        self.attempted = attempted
        self.locked = locked
        self.unsure = unsure


class Malformed(InspectionError):
    """The device answered with bytes that cannot be read."""


class NotACamera(InspectionError):
    """A device without pictures of its own."""


class Busy(InspectionError):
    """The device is well but has no room for us now (RTSP 453 or 503, connection limit)."""


class PublishError(CamdetectError):
    """A message was not and will not be delivered."""


class QueueFull(PublishError):
    """The outbox has no room for this message and may not drop another for it."""


class Dropped(PublishError):
    """The message was dropped from the outbox: replaced, expired, or pushed out by the bound."""


class NotAuthorized(PublishError):
    """The broker does not allow this client to publish there (MQTT 5 says so; 3.1.1 cannot)."""


class Stopped(PublishError):
    """The service is stopping or stopped; nothing more is accepted."""


class StoreError(CamdetectError):
    """The state on disk cannot be read or written."""


class StateRefused(StoreError):
    """The state directory is not used: others may write it, another process has it, or a newer version wrote it."""


class BrokerError(CamdetectError):
    """The embedded broker could not be started."""
