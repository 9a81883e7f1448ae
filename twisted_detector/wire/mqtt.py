"""Messages go in as values, a broker's bytes as they arrive; PUBLISH packets, PUBACKs, and the rest come out.

Only the two packets that are sent and received by the thousand: PUBLISH out and PUBACK in (MQTT 3.1.1 and 5, 3.3 and
3.4). paho spends most of its time on these two; everything else is left to it, byte for byte.
"""

from __future__ import annotations

from twisted_detector.errors import LocalError, RemoteError

_PUBLISH = 0x30
_PUBACK = 0x40
_MESSAGE_EXPIRY_INTERVAL = 0x02

#: Largest remaining length (MQTT 3.1.1, 2.2.3).
MAX_REMAINING = 268_435_455

#: A PUBACK of MQTT 5 may carry a reason string; a longer one gives no reason that anybody would read.
_MAX_PUBACK = 4096


def publish(
    topic: str,
    payload: bytes,
    *,
    qos: int,
    retain: bool,
    identifier: int,
    five: bool = False,
    expiry: int | None = None,
) -> bytes:
    """A PUBLISH packet; ``identifier`` (1 … 65535) is not sent with QoS 0.

    :param five: MQTT 5, with ``expiry`` in seconds as its Message Expiry Interval.
    :raises LocalError: too large for the protocol, or a topic that cannot be encoded.
    """
    try:
        name = topic.encode("utf-8")
    except UnicodeEncodeError:
        raise LocalError("a topic must be valid Unicode", shown=ascii(topic[:80])) from None
    properties = b""
    if five:
        properties = b"\0" if expiry is None else bytes((5, _MESSAGE_EXPIRY_INTERVAL)) + expiry.to_bytes(4, "big")
    remaining = 2 + len(name) + (2 if qos else 0) + len(properties) + len(payload)
    if len(name) > 0xFFFF or remaining > MAX_REMAINING:
        raise LocalError("a message is too large for MQTT", shown=f"{remaining} bytes")
    head = bytearray((_PUBLISH | qos << 1 | retain,))
    while True:
        remaining, digit = remaining >> 7, remaining & 0x7F
        head.append(digit | 0x80 if remaining else digit)
        if not remaining:
            break
    head += len(name).to_bytes(2, "big")
    head += name
    if qos:
        head += identifier.to_bytes(2, "big")
    head += properties
    head += payload
    return bytes(head)


class AcknowledgementFilter:
    """Removes the PUBACKs from a broker's stream; everything else passes unchanged.

    Incremental: the stream may be cut anywhere. At most a PUBACK's worth of bytes is kept between calls.
    """

    def __init__(self) -> None:
        self._passing = 0
        self._kept = b""

    def feed(self, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
        """The bytes that are not acknowledgements, and ``(identifier, reason code)`` of those that are.

        :raises RemoteError: a length that is none, or an acknowledgement that is none.
        """
        if self._kept:
            data = self._kept + data
            self._kept = b""
        end = len(data)
        at = min(self._passing, end)
        self._passing -= at
        acknowledged: list[tuple[int, int]] = []
        passed: list[bytes] = [data[:at]] if at else []
        while at < end:
            if data[at] == _PUBACK and end - at >= 4 and data[at + 1] == 2:  # nearly all of them
                acknowledged.append((data[at + 2] << 8 | data[at + 3], 0))
                at += 4
                continue
            header = _header(data, at)
            if header is None:
                self._kept = data[at:]
                break
            start, length = header
            stop = start + length
            if data[at] == _PUBACK:
                if not 2 <= length <= _MAX_PUBACK:
                    raise RemoteError("a PUBACK of an impossible length", shown=str(length))
                if stop > end:
                    self._kept = data[at:]
                    break
                acknowledged.append((data[start] << 8 | data[start + 1], data[start + 2] if length > 2 else 0))
            else:
                passed.append(data[at : min(stop, end)])
                self._passing = max(0, stop - end)
            at = min(stop, end)
        return b"".join(passed), acknowledged


def _header(data: bytes, at: int) -> tuple[int, int] | None:
    """Offset and length of the content of the packet at ``at``; None: its header is not complete yet."""
    length = 0
    for place in range(4):
        position = at + 1 + place
        if position >= len(data):
            return None
        octet = data[position]
        length |= (octet & 0x7F) << (7 * place)
        if not octet & 0x80:
            return position + 1, length
    raise RemoteError("a remaining length of more than four octets")
