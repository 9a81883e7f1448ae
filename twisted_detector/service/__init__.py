"""Joins the parts into one Twisted service; the order of start and stop."""
