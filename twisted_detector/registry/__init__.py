"""Knows every device and its cameras. Pure: sightings and inspections in, events out."""
