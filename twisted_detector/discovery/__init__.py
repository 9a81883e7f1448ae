"""Finds addresses where a camera may be: multicast, ARP and TCP sweep, the neighbour table of the kernel."""
