"""Composition of the daemon: its parts, how they are joined, and the order in which they start and stop."""
