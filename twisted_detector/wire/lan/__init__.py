"""Codecs of the protocols that a LAN hears: WS-Discovery, mDNS, SSDP, ARP, DHCP."""
