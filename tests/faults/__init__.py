"""Faults go in; an account of every message comes out (``docs/benchmarks.md``). The long versions: ``make faults``."""
