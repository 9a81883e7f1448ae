"""Subcommands by which a person decides: cameras that are added, streams of one's own."""
