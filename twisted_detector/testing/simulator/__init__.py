"""Simulated cameras: WS-Discovery, ONVIF, RTSP with real H.264, and the faults that real cameras have.

:mod:`.camera` has the values that describe one, :mod:`.fleet` puts it on the network; tests begin there.
"""
