"""What a person sets up on the page at first, and later: settings, the broker, Home Assistant, Frigate and go2rtc.

Nothing of it is a command over MQTT: whoever may publish there could lead the cameras' logins to any host.
"""
