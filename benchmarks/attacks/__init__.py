"""Attack bench: scripted rogues against the real daemon, each in a network namespace of its own.

``python -m benchmarks.attacks`` (as root; ``make attacks``) runs every scenario and prints one table: what the rogue
got, what is allowed. A scenario is evidence only when the attack reached its mark, so each has a *control*: that the
rogue was found and published, that the genuine camera got the login, that the message stands on the broker. Where a
control fails, the figure is no figure, and the table says so.
"""
