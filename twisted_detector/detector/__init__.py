"""Decides when to sweep, inspect, check, search and photograph."""
