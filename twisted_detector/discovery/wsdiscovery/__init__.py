"""WS-Discovery: multicast probes in four dialects, announcements, unicast probes of routed networks."""
