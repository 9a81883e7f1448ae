"""``camdetect plugins`` and ``camdetect new-plugin``."""
