"""Doubles and contract tests for plugin authors; public and documented."""
