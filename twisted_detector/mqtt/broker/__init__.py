"""The embedded broker, for whoever has none."""
