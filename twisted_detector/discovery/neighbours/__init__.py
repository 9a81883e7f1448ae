"""The kernel's neighbour table: a live copy, lookups of single addresses, and a watcher that reports new devices."""
