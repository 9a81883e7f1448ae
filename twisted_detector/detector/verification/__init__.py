"""Checks what sightings and goodbyes claim: the MAC, the move, the departure."""
