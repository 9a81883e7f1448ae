"""A network goes in, Sightings come out: sockets around ``wire``."""
