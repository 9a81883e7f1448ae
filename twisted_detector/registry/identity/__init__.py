"""Identity of devices: claims with their weights, the index that resolves them, and the addresses of a device."""
