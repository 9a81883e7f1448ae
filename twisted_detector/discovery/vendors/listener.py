"""Listener to answers and announcements in all manufacturers' protocols: by their content, not by their port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted_detector.discovery.multicast.listener import Bounds, ListenerContext, MulticastListener, Origin, Receiver
from twisted_detector.errors import Malformed, RemoteError
from twisted_detector.model import Evidence, EvidenceKind, Sighting
from twisted_detector.model.announced import DeviceKind
from twisted_detector.model.bounds import MAX_HOSTS
from twisted_detector.wire.vendors.protocol import Answer, VendorProtocol

#: Name of the method as a whole; a sighting has the name of its protocol.
METHOD = "vendors"


class VendorListener(MulticastListener):
    """Listener for all protocols; it counts ``own`` (our searches that came back), ``others`` (searches of others, and
    what no protocol recognises), ``non_cameras``, and the answers by each protocol's name too.

    Nothing is ever sent because of what it hears.

    :param is_own: whether this daemon sent a datagram.
    """

    method = METHOD
    bounds = Bounds(
        reading=0.25,
        datagrams_per_sender=64,  # a device answers two or three protocols, some twice; a host of simulated ones, more
        sightings_per_sender=32,  # one that speaks all protocols has 20
        malformed_per_sender=8,
        senders=MAX_HOSTS,
        sightings=MAX_HOSTS,
    )

    def __init__(
        self, context: ListenerContext, protocols: Sequence[VendorProtocol], *, is_own: Callable[[bytes], bool]
    ) -> None:
        super().__init__(context)
        self._protocols = tuple(protocols)
        self._is_own = is_own

    def receiver(self, *arguments: Any, **options: Any) -> Receiver:
        """See :class:`MulticastListener`; what we sent ourselves is no datagram of anybody's."""
        received = super().receiver(*arguments, **options)

        def received_others(data: bytes, sender: str, port: int = 0) -> bool:
            if self._is_own(data):
                self._counts["own"] += 1
                return True
            return received(data, sender, port)

        return received_others

    def handle(self, data: bytes, origin: Origin) -> None:
        """See :class:`MulticastListener`: the first protocol that recognises and can read it has it."""
        fault: Malformed | None = None
        recognising = [one for one in self._protocols if one.recognises(data)]
        for protocol in sorted(recognising, key=lambda one: _rank(one, origin.port)):
            try:
                answer = protocol.parse(data)
            except Malformed as problem:
                fault = fault or problem
                continue
            if answer is None:
                break
            self._report(protocol, answer, origin)
            return
        else:
            if fault is not None:
                raise RemoteError(fault.what, shown=fault.shown)
        self._counts["others"] += 1

    def _report(self, protocol: VendorProtocol, answer: Answer, origin: Origin) -> None:
        if answer.announced.kind is DeviceKind.OTHER:
            self._counts["non_cameras"] += 1
            return
        self._counts[protocol.name] += 1
        self.report(
            origin,
            f"{protocol.name} {hash(answer)}",
            lambda: make_sighting(protocol.name, answer, origin, self._clock.seconds()),
        )


def _rank(protocol: VendorProtocol, port: int) -> int:
    """How well the port that a datagram came from fits a protocol; 0 is best."""
    return protocol.ports.index(port) if port in protocol.ports else len(protocol.ports)


def make_sighting(method: str, answer: Answer, origin: Origin, now: float) -> Sighting:
    """What ``answer`` claims of the device that sent it; the address is the datagram's, whatever it says."""
    elsewhere = answer.address if answer.address != origin.sender else ""
    announced = replace(answer.announced, address=elsewhere)
    claims = (
        (EvidenceKind.ANNOUNCED_MAC, str(answer.mac or "")),
        (EvidenceKind.SERIAL, announced.serial_number),
        (EvidenceKind.VENDOR_ID, answer.vendor_id),
        (EvidenceKind.VENDOR, announced.manufacturer),
    )
    return Sighting(
        method=method,
        address=origin.sender,
        seen_at=now,
        rtsp_ports=(answer.rtsp_port,) if answer.rtsp_port else (),
        open_ports=tuple(dict.fromkeys(port for port in (answer.http_port, answer.https_port) if port)),
        name=announced.name,
        interface=origin.interface,
        evidence=tuple(Evidence(kind, value, method, now) for kind, value in claims if value),
        announced=announced,
    )
