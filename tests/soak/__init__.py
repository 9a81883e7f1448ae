"""Soak: hours of everything that happens to a daemon, one deed after another, against the real processes."""
