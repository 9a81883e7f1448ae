"""Home Assistant: MQTT discovery payloads, and the service that announces them."""
