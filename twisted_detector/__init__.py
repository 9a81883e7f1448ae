"""camdetect finds the IP cameras on your networks, recognises each one even after its
address changes, and reports them over MQTT.

*Discovery sees, the registry knows, the detector decides when, inspection asks, the bus tells, outputs word it, mqtt
delivers it.*

The rooms, each a package whose docstring is its door; imports point downwards or to the left::

    service     plugins     testing      cli           join and show
    operations  web         outputs      mqtt          tell
    detector    registry    discovery    inspection    see, ask, know, decide
    config      store       wire         model         ground

Loose: ``interfaces`` (for authors of plugins), ``seams`` (between our rooms), ``events``, ``errors`` and ``bus``.
``docs/architecture.md`` has the drawing, ``tests/test_layers.py`` the table of who may import whom.
"""

__version__ = "0.1.0"
