"""Facts of a device and its cameras: what it announces, what an inspection found, and the status that follows."""
