"""Sockets, listener and fair queue that all multicast discovery protocols share."""
