"""Makers of the built-in discoverers, watchers, inspectors and the topics, declared as a plugin's would be."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.discovery.mdns.discoverer import MDNS
from twisted_detector.discovery.multicast.discoverer import MulticastSettings
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
from twisted_detector.inspection.device_access import DeviceAccess
from twisted_detector.inspection.http.client import HttpClient
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.onvif.inspector import (
    DEFAULT_PORTS,
    UNANNOUNCED_PORTS,
    GuessedPorts,
    LoginPolicy,
    OnvifInspector,
    Scheduling,
)
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
)
from twisted_detector.model.addresses import Exclusions
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry


def multicast_settings(
    context: MakerContext, observations: ObservationLog, networks: SiteNetworks
) -> MulticastSettings:
    """Settings of all multicast discoverers; loopback is for simulated cameras, where the operator named it."""
    return MulticastSettings(
        listen=min(3.0, context.config.discovery.timeout),
        include_loopback=networks.has_loopback,
        listed=networks.confirmed,
        record=observations.record,
    )


def _swept_ports(context: MakerContext) -> tuple[int, ...]:
    """The ports that a sweep tries."""
    discovery = context.config.discovery
    return ports_to_try((discovery.rtsp_port, discovery.onvif_port, discovery.http_port))


@implementer(IPlugin, IDiscovererMaker)
class WSDiscoveryMaker:
    """Maker of WS-Discovery probes and announcements, unless ONVIF is switched off."""

    name = "wsdiscovery"
    needs = (INeighbours, PacketRateLimiter, ObservationLog, SiteNetworks, Dialects, Exclusions)

    def make(
        self,
        context: MakerContext,
        neighbours: INeighbours,
        limiter: PacketRateLimiter,
        observations: ObservationLog,
        networks: SiteNetworks,
        dialects: Dialects,
        exclusions: Exclusions,
    ) -> WSDiscovery | None:
        """See :class:`IMaker`."""
        if not context.config.discovery.onvif_enabled:
            return None
        return WSDiscovery(
            context.reactor,
            neighbours,
            dialects=dialects,
            networks=networks.named,
            probed=networks.asked,
            excluded=exclusions,
            settings=multicast_settings(context, observations, networks),
            limiter=limiter,
        )


@implementer(IPlugin, IDiscovererMaker)
class MDNSMaker:
    """Maker of multicast DNS queries and announcements, unless it is switched off."""

    name = "mdns"
    needs = (INeighbours, PacketRateLimiter, ObservationLog, SiteNetworks)

    def make(
        self,
        context: MakerContext,
        neighbours: INeighbours,
        limiter: PacketRateLimiter,
        observations: ObservationLog,
        networks: SiteNetworks,
    ) -> MDNS | None:
        """See :class:`IMaker`."""
        if not context.config.discovery.mdns_enabled:
            return None
        settings = multicast_settings(context, observations, networks)
        return MDNS(context.reactor, neighbours, networks=networks.named, settings=settings, limiter=limiter)


@implementer(IPlugin, IDiscovererMaker)
class SSDPMaker:
    """Maker of SSDP searches and notices, unless it is switched off."""

    name = "ssdp"
    needs = (INeighbours, PacketRateLimiter, ObservationLog, SiteNetworks)

    def make(
        self,
        context: MakerContext,
        neighbours: INeighbours,
        limiter: PacketRateLimiter,
        observations: ObservationLog,
        networks: SiteNetworks,
    ) -> SSDP | None:
        """See :class:`IMaker`."""
        if not context.config.discovery.ssdp_enabled:
            return None
        settings = multicast_settings(context, observations, networks)
        return SSDP(context.reactor, neighbours, settings=settings, limiter=limiter)


@implementer(IPlugin, IDiscovererMaker)
class ArpSweepMaker:
    """Maker of the sweep of the links and of networks beyond a router, unless it is switched off."""

    name = "neighboursweep"
    needs = (INeighbours, PacketRateLimiter, Registry, SiteNetworks)

    def make(
        self,
        context: MakerContext,
        neighbours: INeighbours,
        limiter: PacketRateLimiter,
        registry: Registry,
        networks: SiteNetworks,
    ) -> ArpSweep | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.discovery.network_scan_enabled:
            return None
        settings = SweepSettings(
            ports=_swept_ports(context),
            rtsp_ports=(*RTSP_PORTS, config.discovery.rtsp_port),
            half_open=config.discovery.scan_half_open,
        )

        def settings_now() -> SweepSettings:
            return replace(settings, networks=networks.swept(), exclude=networks.current.discovery.scan_exclude)

        is_well = registry.is_well_at
        shared: Any = {"settings": settings_now, "limiter": limiter, "is_well": is_well}
        beyond = PortScan(context.reactor, neighbours, **shared)
        return ArpSweep(context.reactor, neighbours, beyond=beyond, **shared)


@implementer(IPlugin, IWatcherMaker)
class PacketCaptureMaker:
    """Maker of the capture of DHCP or ARP packets, where this process has CAP_NET_RAW.

    :ivar name: ``dhcp`` or ``arp``.
    """

    needs = (INeighbours, Exclusions)

    def __init__(self, name: str) -> None:
        self.name = name

    def make(self, context: MakerContext, neighbours: INeighbours, exclusions: Exclusions) -> PacketCapture | None:
        """See :class:`IMaker`. Without MAC tracking there is nothing to capture for."""
        if not context.config.discovery.mac_tracking_enabled:
            return None
        return PacketCapture(self.name, context.reactor, neighbours, excluded=exclusions)


@implementer(IPlugin, IInspectorMaker)
class OnvifMaker:
    """Maker of the ONVIF inspector, unless ONVIF is switched off. It comes before RTSP, since it learns more."""

    name = "onvif"
    needs = (DeviceAccess,)
    before = ("rtsp",)

    def make(self, context: MakerContext, access: DeviceAccess) -> OnvifInspector | None:
        """See :class:`IMaker`."""
        config = context.config
        if not config.discovery.onvif_enabled:
            return None
        budget = access.budget
        swept = _swept_ports(context) if config.discovery.network_scan_enabled else ()
        queue = CooperativeQueue(context.reactor, monotonic=time.monotonic)
        asked = (config.discovery.onvif_port, *UNANNOUNCED_PORTS)
        return OnvifInspector(
            context.clock,
            lambda: HttpClient(context.reactor, timeout=config.inspection.onvif_timeout, queue=queue),
            random=os.urandom,
            monotonic=time.monotonic,
            ports=GuessedPorts(
                first=tuple(dict.fromkeys((*DEFAULT_PORTS, config.discovery.onvif_port, config.discovery.http_port))),
                unswept=tuple(port for port in dict.fromkeys(asked) if port not in swept),
            ),
            logins=LoginPolicy(
                allow_basic=access.clear_text.allows_candidate,
                login_follows=lambda candidate: bool(budget.allowed_logins(candidate, context.reactor.seconds())),
            ),
            scheduling=Scheduling(queue=queue, elsewhere=OtherThread(context.reactor).run),
            device_locks=access.locks,
        )


@implementer(IPlugin, IInspectorMaker)
class RtspMaker:
    """Maker of the inspector of devices that have RTSP only."""

    name = "rtsp"
    needs = (DeviceAccess, ConfiguredLogins)

    def make(self, context: MakerContext, access: DeviceAccess, logins: ConfiguredLogins) -> RtspInspector:
        """See :class:`IMaker`."""
        return RtspInspector(
            context.reactor,
            timeout=context.config.inspection.rtsp_timeout,
            allow_basic=access.clear_text.allows,
            device_locks=access.locks,
            media_servers=MediaServerJudge(
                context.reactor,
                configured=_consumers_by_host(context.config),
                vouched_for=logins.lists,
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
    needs = (Topics,)

    def make(self, context: MakerContext, topics: Topics) -> TopicsOutput:
        """See :class:`IMaker`."""
        return TopicsOutput(topics)


wsdiscovery = WSDiscoveryMaker()
mdns = MDNSMaker()
ssdp = SSDPMaker()
neighboursweep = ArpSweepMaker()
dhcp = PacketCaptureMaker("dhcp")
arp = PacketCaptureMaker("arp")
onvif = OnvifMaker()
rtsp = RtspMaker()
topics = TopicsMaker()
