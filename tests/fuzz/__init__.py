"""Fuzzing: a table of parsers, driven by hypothesis in the fast suite and by atheris for minutes (``make fuzz``)."""
