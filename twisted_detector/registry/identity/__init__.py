"""Claims about who a device is, weighed and indexed, and the addresses where it has been."""
