"""An RBSP's bytes go in; its fixed-length and Exp-Golomb numbers come out (ITU-T H.264 sections 7.3.1, 9.1)."""

from __future__ import annotations

from twisted_detector.errors import RemoteError

#: Exp-Golomb codes in parameter sets stand for at most 2^32 - 2, so more than 32 leading zeros is garbage.
_MAX_LEADING_ZEROS = 32


def unescape(nal: bytes) -> bytes:
    """A NAL unit without its emulation prevention bytes (00 00 03 becomes 00 00; H.264 section 7.4.1)."""
    if b"\x00\x00\x03" not in nal:
        return nal
    plain = bytearray()
    zeros = 0
    for octet in nal:
        if zeros >= 2 and octet == 3:
            zeros = 0
            continue
        plain.append(octet)
        zeros = zeros + 1 if octet == 0 else 0
    return bytes(plain)


class BitReader:
    """Reads numbers from the first bit on. Every method raises RemoteError when the bits come to an end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def bits(self, count: int) -> int:
        """The next ``count`` bits as an unsigned number, first bit highest: u(n)."""
        if count > self._left:
            raise RemoteError("a parameter set ends too early")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """The next bit: u(1)."""
        return bool(self.bits(1))

    def skip(self, count: int) -> None:
        """Pass over ``count`` bits."""
        if count > self._left:
            raise RemoteError("a parameter set ends too early")
        self._left -= count

    def unsigned(self) -> int:
        """The next unsigned Exp-Golomb code: ue(v)."""
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        if zeros > _MAX_LEADING_ZEROS:
            raise RemoteError("a parameter set holds an impossible number")
        self.skip(zeros)
        return self.bits(zeros + 1) - 1

    def signed(self) -> int:
        """The next signed Exp-Golomb code: se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)
