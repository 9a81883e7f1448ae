"""go2rtc: its stream configuration, and the client of its API."""
