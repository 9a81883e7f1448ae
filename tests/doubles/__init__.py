"""Stand-ins that implement the same interface as the real thing."""
