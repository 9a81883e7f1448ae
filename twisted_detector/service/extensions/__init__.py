"""Plugins that are not ours, under supervision: faults, stalls and messages of each are counted, bounded and named."""
