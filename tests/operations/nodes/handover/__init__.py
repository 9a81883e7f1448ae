"""Tests of what follows a camera from node to node."""
