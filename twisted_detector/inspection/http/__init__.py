"""HTTP client for cameras: every answer bounded, at most a few connections for each device."""
