"""Subcommand for notices: what was told, by which ways, and a test of one."""
