"""Manufacturers' own discovery protocols: the search of each, and the reading of what devices answer to it."""
