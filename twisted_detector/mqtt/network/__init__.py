"""The network thread: paho, its socket, and the queue of commands and reports between it and the reactor.

Two threads meet here, and only in :class:`.loop.NetworkLoop`. The reactor's thread appends commands to a deque and
wakes the loop; the loop passes one report a turn to ``reactor.callFromThread``. ``NetworkLoop.run`` and everything that
it calls (``connect``, ``buffered_socket``, ``paho_session``, ``watchdog``) belong to the network thread, ``attempts``
and ``resolver`` to the reactor's. Nothing is locked: what both touch is a deque, or a number that only one of them
writes.
"""
