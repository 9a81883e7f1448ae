"""Vendor stream paths as data, each rule with its source."""
