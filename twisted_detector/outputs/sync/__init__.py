"""Keeps configurations of other programs in step: entries of ours are merged into files and APIs."""
