"""The device's side of the protocols: what only a server writes and reads.

The client's side, and what both sides need, is in :mod:`twisted_detector.wire`.
"""
