"""Frigate: its camera configuration, and the client of its API."""
