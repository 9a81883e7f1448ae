"""The command ``add``: cameras at an address, in a range or a network, of a host or of a stream's URL.

Rules

1. Nothing is sent to an address that :meth:`Detector.explain_refusal` or SCAN_EXCLUDE forbids, and all of it passes the
   rate limiter.
2. A camera is made by the registry alone, of what an inspection shows; here a device is only named to the detector, as
   ``probe`` does. Who names one vouches for it: it is adopted.
3. A stream's path is asked for before anything else is done, without a login. Where it does not exist, no other takes
   its place.
4. Each step is told with its state, and one that fails with the reason, and what would help.

Theory of operation

``targets`` reads what was typed, ``progress`` (:class:`Progress`) holds the steps, ``stream_question`` asks a server
for one path, ``devices`` (:class:`AddedDevices`) is the door to detector, registry and decisions, ``single``
(:class:`SingleAddition`) adds one address, and ``command`` (:class:`AddCommand`) runs the jobs.
"""
