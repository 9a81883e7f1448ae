"""Devices and hosts that lie, one module each, every one a process of its own in a network namespace.

They use the standard library alone: a rogue that spoke through the code that it attacks would share its opinions. Each
takes its settings as one JSON object in its first argument and prints what it was given and asked as lines of JSON.
None prints a password: of a login it says the kind, and where it was sent.
"""
