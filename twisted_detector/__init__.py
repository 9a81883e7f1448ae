"""camdetect finds the IP cameras on your networks, knows each one for ever, and tells the truth about them over MQTT.

*Discoverers see, the registry knows, inspectors ask, the bus tells, outputs word it,
the outbox keeps it, mqtt says it.*

ring 0  ``model`` ``events`` ``errors``                                          frozen values
ring 1  ``wire``                                                                 bytes and values, no I/O
ring 2  ``interfaces``                                                           every seam
ring 3  ``identity`` ``lifecycle`` ``registry`` ``connection`` ``outbox`` ``outputs`` ``bus``   decide: no I/O, no clock
ring 4  ``discovery`` ``inspection`` ``networks`` ``neighbours`` ``mqtt`` ``store`` ``broker`` ``web`` ``health``   act
ring 5  ``detector``                                                             says when
ring 6  ``config`` ``plugins`` ``service`` ``testing`` ``simulator`` ``cli``     joins

Imports point to lower rings only; ``tests/test_layers.py`` keeps it so.
"""

__version__ = "0.1.0"
