"""The built-in parts, declared as a plugin's would be: each maker reads the configuration and makes its part."""

from __future__ import annotations

import os
import time
from typing import Any

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.discovery.mdns.discoverer import MDNS
from twisted_detector.discovery.overhearing import PacketCapture
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.ssdp import SSDP
from twisted_detector.discovery.sweep.arp_sweep import ArpSweep
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.ports import RTSP_PORTS, ports_to_try
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.discovery.wsdiscovery.discoverer import WSDiscovery
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.onvif.inspector import DEFAULT_PORTS, OnvifInspector
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.yielding import CooperativeQueue
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IInspectorMaker,
    INeighbours,
    IOutputMaker,
    IWatcherMaker,
    MakerContext,
)
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.seams import ILoginBudget


def _of_groups(context: MakerContext) -> dict[str, Any]:
    """What all that ask a multicast group are told; loopback is for simulated cameras, where the operator named it."""
    return {
        "listen": min(3.0, context.config.discovery_timeout),
        "include_loopback": any(network.is_loopback for network in context.config.named_networks),
        "pacer": context.parts[PacketRateLimiter],
    }


@implementer(IPlugin, IDiscovererMaker)
class WSDiscoveryMaker:
    """WS-Discovery probes and announcements, unless ONVIF is switched off."""

    name = "wsdiscovery"

    def make(self, context: MakerContext) -> WSDiscovery | None:
        """See :class:`IMaker`."""
        if not context.config.onvif_enabled:
            return None
        return WSDiscovery(
            context.reactor,
            context.parts[INeighbours],
            dialects=context.parts.get(Dialects),
            networks=context.config.scan_networks,
            exclude=context.config.scan_exclude,
            **_of_groups(context),
        )


@implementer(IPlugin, IDiscovererMaker)
class MDNSMaker:
    """Multicast DNS queries and announcements, unless it is switched off."""

    name = "mdns"

    def make(self, context: MakerContext) -> MDNS | None:
        """See :class:`IMaker`."""
        if not context.config.mdns_enabled:
            return None
        networks = context.config.named_networks
        return MDNS(context.reactor, context.parts[INeighbours], networks=networks, **_of_groups(context))


@implementer(IPlugin, IDiscovererMaker)
class SSDPMaker:
    """SSDP searches and notices, unless it is switched off."""

    name = "ssdp"

    def make(self, context: MakerContext) -> SSDP | None:
        """See :class:`IMaker`."""
        if not context.config.ssdp_enabled:
            return None
        return SSDP(context.reactor, context.parts[INeighbours], **_of_groups(context))


@implementer(IPlugin, IDiscovererMaker)
class ArpSweepMaker:
    """The sweep of the links and of networks beyond a router, unless it is switched off."""

    name = "neighboursweep"

    def make(self, context: MakerContext) -> ArpSweep | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.network_scan_enabled:
            return None
        neighbours = context.parts[INeighbours]
        ports = ports_to_try((config.rtsp_port, config.onvif_port, config.http_port))
        rtsp_ports = (*RTSP_PORTS, config.rtsp_port)
        return ArpSweep(
            context.reactor,
            neighbours,
            ports=ports,
            rtsp_ports=rtsp_ports,
            networks=config.scan_networks,
            exclude=config.scan_exclude,
            pacer=context.parts[PacketRateLimiter],
            half_open=config.scan_half_open,
            beyond=PortScan(
                context.reactor,
                neighbours,
                ports=ports,
                rtsp_ports=rtsp_ports,
                networks=config.scan_networks,
                exclude=config.scan_exclude,
                pacer=context.parts[PacketRateLimiter],
                half_open=config.scan_half_open,
                on_link=False,
            ),
        )


@implementer(IPlugin, IWatcherMaker)
class PacketCaptureMaker:
    """What is overheard of other protocols, where this process has CAP_NET_RAW.

    :ivar name: ``dhcp`` or ``arp``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def make(self, context: MakerContext) -> PacketCapture | None:
        """See :class:`IMaker`. What is overheard is MAC addresses only."""
        if not context.config.mac_tracking_enabled:
            return None
        return PacketCapture(
            self.name, context.reactor, context.parts[INeighbours], exclude=context.config.scan_exclude
        )


@implementer(IPlugin, IInspectorMaker)
class OnvifMaker:
    """ONVIF questions, unless ONVIF is switched off. Asked before RTSP: it knows more."""

    name = "onvif"

    def make(self, context: MakerContext) -> OnvifInspector | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.onvif_enabled:
            return None
        budget: ILoginBudget = context.parts[ILoginBudget]
        return OnvifInspector(
            context.reactor,
            timeout=config.onvif_timeout,
            random=os.urandom,
            monotonic=time.monotonic,
            onvif_ports=tuple(dict.fromkeys((*DEFAULT_PORTS, config.onvif_port, config.http_port))),
            allow_basic=context.parts[ClearTextPolicy].allows_candidate,
            login_follows=lambda candidate: bool(budget.allowed_logins(candidate, context.reactor.seconds())),
            turns=CooperativeQueue(context.reactor, monotonic=time.monotonic),
            lanes=context.parts[DeviceLocks],
        )


@implementer(IPlugin, IInspectorMaker)
class RtspMaker:
    """The search for streams on a device that speaks RTSP only."""

    name = "rtsp"

    def make(self, context: MakerContext) -> RtspInspector:
        """See :class:`IMaker`."""
        return RtspInspector(
            context.reactor,
            timeout=context.config.rtsp_timeout,
            allow_basic=context.parts[ClearTextPolicy].allows,
            lanes=context.parts[DeviceLocks],
        )


@implementer(IPlugin, IOutputMaker)
class TopicsMaker:
    """Our own topics."""

    name = "topics"

    def make(self, context: MakerContext) -> TopicsOutput:
        """See :class:`IMaker`."""
        return TopicsOutput(context.parts[Topics])


wsdiscovery = WSDiscoveryMaker()
mdns = MDNSMaker()
ssdp = SSDPMaker()
neighboursweep = ArpSweepMaker()
dhcp = PacketCaptureMaker("dhcp")
arp = PacketCaptureMaker("arp")
onvif = OnvifMaker()
rtsp = RtspMaker()
topics = TopicsMaker()
