"""Public helpers for tests of plugins, and of our own parts.

:mod:`.doubles` has scripted doubles of the plugin interfaces; :mod:`.lan`, :mod:`.outbox` and :mod:`.subscriber` have
networks and a broker in memory, :mod:`.udp` a link with UDP ports; :mod:`.contracts` has the tests that a double, the
real part and your plugin must pass; :mod:`.simulator` has cameras that answer on a real network.
"""
