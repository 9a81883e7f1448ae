"""Keeps documents of other programs in step: files and APIs as targets, merged with what is not ours."""
