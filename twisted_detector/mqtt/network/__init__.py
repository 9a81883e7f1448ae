"""The network thread: paho, its socket, and all that crosses between it and the reactor."""
