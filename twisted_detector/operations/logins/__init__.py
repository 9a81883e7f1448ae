"""Logins that people type: the command ``login``, which tries one at once, keeps it for whom was chosen, or removes it.

Rules

1. A typed login goes through the login budget as every other: at most two failures in 30 minutes at a device, each
   written to the disk before it is sent.
2. Who types a login for a device vouches for it: the device is adopted.
3. What was refused, or was not answered, is not kept; ``save`` keeps without trying.
4. The answer comes within seconds. What is under way then goes on, and what was accepted later is kept all the same.
"""
