"""The neighbour table of the kernel: which address has which MAC, look-ups, and news of it as it changes."""
