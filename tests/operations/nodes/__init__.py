"""Tests of the election among nodes."""
