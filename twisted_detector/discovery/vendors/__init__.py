"""Driver of the manufacturers' own discovery protocols: one discoverer and watcher for all that the catalog lists."""
