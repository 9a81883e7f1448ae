"""Maker of the discoverer by manufacturers' own protocols, declared as a plugin's would be."""

from __future__ import annotations

from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.vendors.discoverer import VendorDiscovery
from twisted_detector.interfaces import IDiscovererMaker, INeighbours, MakerContext
from twisted_detector.model.addresses import Exclusions
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.plugins.builtin import multicast_settings
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.wire.vendors.catalog import PROTOCOLS


@implementer(IPlugin, IDiscovererMaker)
class VendorsMaker:
    """Maker of searches by all manufacturers' protocols, and of the listener to announcements, unless switched off."""

    name = "vendors"
    needs = (INeighbours, PacketRateLimiter, ObservationLog, SiteNetworks, Exclusions)

    def make(
        self,
        context: MakerContext,
        neighbours: INeighbours,
        limiter: PacketRateLimiter,
        observations: ObservationLog,
        networks: SiteNetworks,
        exclusions: Exclusions,
    ) -> VendorDiscovery | None:
        """See :class:`IMaker`."""
        if not context.config.discovery.vendor_discovery_enabled:
            return None
        return VendorDiscovery(
            context.reactor,
            neighbours,
            protocols=PROTOCOLS,
            excluded=exclusions,
            settings=multicast_settings(context, observations, networks),
            limiter=limiter,
        )


vendors = VendorsMaker()
