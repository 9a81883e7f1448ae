"""Value of the key that an eye and its node share."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.model.logins import Secret

#: Octets of a key: those of the hash (RFC 2104, 3).
KEY_OCTETS = 32


@dataclass(frozen=True, slots=True)
class EyeKey:
    """Name and key of one eye.

    :ivar secret: the key in hexadecimal digits.
    :ivar networks: of which it may speak, CIDR texts; none: of every network that its node does not stand in.
    """

    name: str
    secret: Secret
    networks: tuple[str, ...] = ()

    @property
    def octets(self) -> bytes:
        """The key itself, for signatures and nothing else."""
        return bytes.fromhex(self.secret.reveal())
