"""Codecs of the protocols of a LAN: WS-Discovery, mDNS, SSDP, ARP, DHCP."""
