"""A fleet of cameras that speaks ``wire`` from the other side."""
