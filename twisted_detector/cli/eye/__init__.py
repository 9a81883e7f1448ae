"""``camdetect eye``: a small process that reports the cameras of its links to a node over the broker."""
