"""Messages go in as values, a broker's bytes as they arrive; PUBLISH packets, PUBACKs, and the rest come out.

Only the two packets that are sent and received by the thousand: PUBLISH out and PUBACK in (MQTT 3.1.1 and 5, 3.3 and
3.4). paho spends most of its time on these two; everything else is left to it, byte for byte. But a PUBLISH that is too
large for us is neither read nor refused: it is passed over by its length, and answered as if it had been read. Refused,
a retained one would come again with every connection, for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.errors import LocalError, RemoteError

_PUBLISH = 0x30
_PUBACK = 0x40
_PUBREC = 0x50
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


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A PUBLISH that was too large, and of which nothing was kept.

    :ivar topic: what is no UTF-8 in it is replaced; "" where it has none.
    :ivar octets: its remaining length.
    :ivar answer: the packet that the broker waits for: PUBACK, with QoS 2 PUBREC (the PUBREL that follows is paho's,
        who answers it whether the message is known or not), nothing with QoS 0.
    """

    topic: str
    octets: int
    answer: bytes


class _LargePublish:
    """Position in a PUBLISH that is being passed over. Only its topic and its identifier are kept: at most 64 KiB."""

    def __init__(self, first: int, length: int) -> None:
        self._qos = first >> 1 & 3
        if self._qos == 3:
            raise RemoteError("a PUBLISH of the QoS that there is not")
        self._octets = self._left = length
        self._head = bytearray()

    def feed(self, data: bytes, at: int) -> int:
        """Pass over its part of ``data[at:]``; returns where that ends."""
        stop = min(len(data), at + self._left)
        self._left -= stop - at
        while at < stop and (missing := self._head_size - len(self._head)) > 0:
            part = data[at : min(stop, at + missing)]
            self._head += part
            at += len(part)
        return stop

    @property
    def _head_size(self) -> int:
        if len(self._head) < 2:
            return 2
        return 2 + int.from_bytes(self._head[:2], "big") + (2 if self._qos else 0)

    def result(self) -> PassedOver | None:
        """What it was; None: it has not passed yet."""
        if self._left:
            return None
        end = 2 + int.from_bytes(self._head[:2], "big")
        answer = b""
        if self._qos:  # without a reason code and properties: success, in both versions (MQTT 5, 3.4.2.1 and 3.5.2.1)
            answer = bytes((_PUBACK if self._qos == 1 else _PUBREC, 2)) + bytes(self._head[end : end + 2])
        return PassedOver(self._head[2:end].decode("utf-8", "replace"), self._octets, answer)


class AcknowledgementFilter:
    """Removes from a broker's stream the PUBACKs, and every PUBLISH that is too large; all else passes unchanged.

    Incremental: the stream may be cut anywhere. Between calls at most a PUBACK is kept, or the topic of a PUBLISH.

    :param largest: remaining length of the largest packet that passes; at least 65 541, so that a larger PUBLISH has
        room for any topic and its identifier.
    """

    def __init__(self, largest: int = MAX_REMAINING) -> None:
        self._largest = largest
        self._passing = 0
        self._kept = b""
        self._large: _LargePublish | None = None
        self._passed_over: list[PassedOver] = []

    @property
    def within_packet(self) -> bool:
        """Whether the stream stands in the middle of a packet: until that is complete, the peer can answer nothing."""
        return self._passing > 0 or self._large is not None

    @property
    def passing_over(self) -> bool:
        """Whether that packet is a PUBLISH that is too large."""
        return self._large is not None

    def take_passed_over(self) -> list[PassedOver]:
        """The messages that were passed over since the last call, each once it was complete."""
        taken, self._passed_over = self._passed_over, []
        return taken

    def feed(self, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
        """The bytes that pass, and ``(identifier, reason code)`` of the acknowledgements.

        :raises RemoteError: a length that is none, an acknowledgement that is none, or a packet that is too large and
            no message: nothing else is ever near that.
        """
        if self._kept:
            data = self._kept + data
            self._kept = b""
        end = len(data)
        at = min(self._passing, end)
        self._passing -= at
        acknowledged: list[tuple[int, int]] = []
        passed: list[bytes] = [data[:at]] if at else []
        if self._large is not None:
            at = self._pass_over(self._large, data, at)
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
            elif length > self._largest:
                if data[at] & 0xF0 != _PUBLISH:
                    raise RemoteError("a packet that is no message and of an impossible length", shown=str(length))
                at = self._pass_over(_LargePublish(data[at], length), data, start)
                continue
            else:
                passed.append(data[at : min(stop, end)])
                self._passing = max(0, stop - end)
            at = min(stop, end)
        return b"".join(passed), acknowledged

    def _pass_over(self, large: _LargePublish, data: bytes, at: int) -> int:
        at = large.feed(data, at)
        result = large.result()
        self._large = large if result is None else None
        if result is not None:
            self._passed_over.append(result)
        return at


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
