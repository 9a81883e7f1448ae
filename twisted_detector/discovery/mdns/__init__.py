"""Multicast DNS: queries for camera services, and the announcements of those services."""
