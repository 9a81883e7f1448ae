"""A fleet of cameras that speaks ``wire`` from the other side: WS-Discovery, ONVIF, RTSP with real H.264, quirks.

:mod:`.camera` says what one is, :mod:`.fleet` puts it on the network; tests begin there.
"""
