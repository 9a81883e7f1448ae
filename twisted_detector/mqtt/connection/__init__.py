"""State machine of the MQTT connection: when to connect, how long to wait, what to announce."""
