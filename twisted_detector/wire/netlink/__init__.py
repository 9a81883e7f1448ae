"""Netlink messages of the Linux kernel, and the tables that they describe."""
