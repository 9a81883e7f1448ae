"""Parts of ``bench_lan.py``: one module for each of its tables."""
