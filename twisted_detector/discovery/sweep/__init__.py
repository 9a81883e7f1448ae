"""The polite sweep: ARP first, then TCP connections to hosts that are there, within one packet rate."""
