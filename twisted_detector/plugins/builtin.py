"""Makers of the built-in discoverers, watchers, inspectors and the topics, declared as a plugin's would be."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.discovery.mdns.discoverer import MDNS
from twisted_detector.discovery.overhearing import PacketCapture
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.ssdp import SSDP
from twisted_detector.discovery.sweep.arp_sweep import ArpSweep
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.ports import RTSP_PORTS, ports_to_try
from twisted_detector.discovery.sweep.targets import SweepSettings
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.discovery.wsdiscovery.discoverer import WSDiscovery
from twisted_detector.inspection.cooperative_queue import CooperativeQueue
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.clear_text import ClearTextPolicy
from twisted_detector.inspection.onvif.inspector import DEFAULT_PORTS, UNANNOUNCED_PORTS, OnvifInspector
from twisted_detector.inspection.other_thread import OtherThread
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.media_server import MediaServerJudge
from twisted_detector.interfaces import (
    IDiscovererMaker,
    IInspectorMaker,
    INeighbours,
    IOutputMaker,
    IWatcherMaker,
    MakerContext,
    record_nothing,
)
from twisted_detector.model.login_rules import has_own_login
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.seams import ILoginBudget


def _multicast_options(context: MakerContext) -> dict[str, Any]:
    """Arguments of all multicast discoverers; loopback is for simulated cameras, where the operator named it."""
    observations = context.parts.get(ObservationLog)
    return {
        "listed": context.config.confirmed_networks,
        "record": observations.record if observations is not None else record_nothing,
        "listen": min(3.0, context.config.discovery.timeout),
        "include_loopback": any(network.is_loopback for network in context.config.discovery.named_networks),
        "limiter": context.parts[PacketRateLimiter],
    }


def _swept_ports(context: MakerContext) -> tuple[int, ...]:
    """The ports that a sweep tries."""
    discovery = context.config.discovery
    return ports_to_try((discovery.rtsp_port, discovery.onvif_port, discovery.http_port))


@implementer(IPlugin, IDiscovererMaker)
class WSDiscoveryMaker:
    """Maker of WS-Discovery probes and announcements, unless ONVIF is switched off."""

    name = "wsdiscovery"

    def make(self, context: MakerContext) -> WSDiscovery | None:
        """See :class:`IMaker`."""
        if not context.config.discovery.onvif_enabled:
            return None
        return WSDiscovery(
            context.reactor,
            context.parts[INeighbours],
            dialects=context.parts.get(Dialects),
            networks=context.config.discovery.scan_networks,
            exclude=context.config.discovery.scan_exclude,
            **_multicast_options(context),
        )


@implementer(IPlugin, IDiscovererMaker)
class MDNSMaker:
    """Maker of multicast DNS queries and announcements, unless it is switched off."""

    name = "mdns"

    def make(self, context: MakerContext) -> MDNS | None:
        """See :class:`IMaker`."""
        if not context.config.discovery.mdns_enabled:
            return None
        networks = context.config.discovery.named_networks
        return MDNS(context.reactor, context.parts[INeighbours], networks=networks, **_multicast_options(context))


@implementer(IPlugin, IDiscovererMaker)
class SSDPMaker:
    """Maker of SSDP searches and notices, unless it is switched off."""

    name = "ssdp"

    def make(self, context: MakerContext) -> SSDP | None:
        """See :class:`IMaker`."""
        if not context.config.discovery.ssdp_enabled:
            return None
        return SSDP(context.reactor, context.parts[INeighbours], **_multicast_options(context))


@implementer(IPlugin, IDiscovererMaker)
class ArpSweepMaker:
    """Maker of the sweep of the links and of networks beyond a router, unless it is switched off."""

    name = "neighboursweep"

    def make(self, context: MakerContext) -> ArpSweep | None:
        """See :class:`IMaker`."""
        config, neighbours = context.config, context.parts[INeighbours]
        if not config.discovery.network_scan_enabled:
            return None
        settings = SweepSettings(
            networks=config.discovery.scan_networks,
            exclude=config.discovery.scan_exclude,
            ports=_swept_ports(context),
            rtsp_ports=(*RTSP_PORTS, config.discovery.rtsp_port),
            half_open=config.discovery.scan_half_open,
        )
        limiter = context.parts[PacketRateLimiter]
        beyond = PortScan(context.reactor, neighbours, settings, limiter=limiter)
        return ArpSweep(context.reactor, neighbours, settings, limiter=limiter, beyond=beyond)


@implementer(IPlugin, IWatcherMaker)
class PacketCaptureMaker:
    """Maker of the capture of DHCP or ARP packets, where this process has CAP_NET_RAW.

    :ivar name: ``dhcp`` or ``arp``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def make(self, context: MakerContext) -> PacketCapture | None:
        """See :class:`IMaker`. Without MAC tracking there is nothing to capture for."""
        if not context.config.discovery.mac_tracking_enabled:
            return None
        return PacketCapture(
            self.name, context.reactor, context.parts[INeighbours], exclude=context.config.discovery.scan_exclude
        )


@implementer(IPlugin, IInspectorMaker)
class OnvifMaker:
    """Maker of the ONVIF inspector, unless ONVIF is switched off. It comes before RTSP, since it learns more."""

    name = "onvif"

    def make(self, context: MakerContext) -> OnvifInspector | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.discovery.onvif_enabled:
            return None
        budget: ILoginBudget = context.parts[ILoginBudget]
        swept = _swept_ports(context) if config.discovery.network_scan_enabled else ()
        return OnvifInspector(
            context.reactor,
            timeout=config.inspection.onvif_timeout,
            random=os.urandom,
            monotonic=time.monotonic,
            onvif_ports=tuple(dict.fromkeys((*DEFAULT_PORTS, config.discovery.onvif_port, config.discovery.http_port))),
            unswept_ports=[
                port for port in dict.fromkeys((config.discovery.onvif_port, *UNANNOUNCED_PORTS)) if port not in swept
            ],
            allow_basic=context.parts[ClearTextPolicy].allows_candidate,
            login_follows=lambda candidate: bool(budget.allowed_logins(candidate, context.reactor.seconds())),
            queue=CooperativeQueue(context.reactor, monotonic=time.monotonic),
            device_locks=context.parts[DeviceLocks],
            elsewhere=OtherThread(context.reactor).run,
        )


@implementer(IPlugin, IInspectorMaker)
class RtspMaker:
    """Maker of the inspector of devices that have RTSP only."""

    name = "rtsp"

    def make(self, context: MakerContext) -> RtspInspector:
        """See :class:`IMaker`."""
        return RtspInspector(
            context.reactor,
            timeout=context.config.inspection.rtsp_timeout,
            allow_basic=context.parts[ClearTextPolicy].allows,
            device_locks=context.parts[DeviceLocks],
            media_servers=MediaServerJudge(
                context.reactor,
                configured=_consumers_by_host(context.config),
                vouched_for=partial(has_own_login, context.config.inspection.credentials),
            ),
        )


def _consumers_by_host(config: Any) -> dict[str, str]:
    """The hosts at which the configuration has a Frigate or a go2rtc → which."""
    return {
        urlsplit(section.url).hostname or "": name
        for name, sections in (("Frigate", config.frigates), ("go2rtc", config.go2rtcs))
        for section in sections
        if section.url
    }


@implementer(IPlugin, IOutputMaker)
class TopicsMaker:
    """Maker of our own topics."""

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
